// Help with writing: what the word before the caret can become, and emoji to pick from.
import { box, insert } from "./composer.js";
import { mark, markedOf, onKey } from "./page.js";

const list = () => document.getElementById("completions");

function put(text, start, end) {
  insert(text, start, end);
  box().focus();
}

// The word being typed: @ada, :tad, or a command at the very beginning. Names may hold one space, and stand behind a
// letter of those scripts that have no spaces.
const NAME = /(?<![^\s\p{scx=Hira}\p{scx=Kana}\p{scx=Han}\p{scx=Hang}])@[^\s@]*(?: [^\s@]+)?$/u;
const WORDS = [/(?<!\S):[\w+-]{2,}$/, NAME, /^\/\w*$/];
function wordBefore() {
  const text = box().value.slice(0, box().selectionStart);
  return WORDS.map((word) => word.exec(text)?.[0]).find(Boolean) ?? "";
}

let asked, refused;
function offer() {
  const word = wordBefore();
  clearTimeout(asked);
  if (!word || word === refused) return close();
  // Until the answer comes, the list is that of an earlier word: nothing in it is for a key to take.
  mark(box());
  asked = setTimeout(load, 80, word);
}

async function load(word) {
  const url = `${list()?.dataset.url}?word=${encodeURIComponent(word)}`;
  if (list()) await htmx.ajax("GET", url, { source: list(), target: list(), swap: "innerHTML" });
  if (!list()) return;
  list().dataset.word = word;
  mark(box());
  if (wordBefore() !== word || word === refused || document.activeElement !== box()) return;
  list().hidden = [undefined, word].includes(list().firstElementChild?.dataset.text);
}

function close() {
  clearTimeout(asked);
  if (!list()) return;
  list().hidden = true;
  mark(box());
}

function take(option) {
  const end = box().selectionStart;
  refused = option.dataset.text;
  put(`${refused} `, end - wordBefore().length, end);
}

// Enter sends what is typed, unless an option was moved to.
const OFFERED = "#completions:not([hidden]) + #body";
onKey("Enter Tab", OFFERED, ({ key }) => {
  const option = markedOf(box()) ?? (key === "Tab" && list().firstElementChild);
  if (option && list().dataset.word === wordBefore()) return take(option);
  close();
  return false;
});
onKey("Escape", OFFERED, () => {
  refused = wordBefore();
  close();
});

document.addEventListener("input", ({ target }) => target === box() && offer());
document.addEventListener("focusout", ({ target }) => target === box() && setTimeout(close, 150));
document.addEventListener("mousedown", (event) => event.target.closest("#completions") && event.preventDefault());
document.addEventListener("click", ({ target }) => {
  const option = target.closest("#completions > li"), emoji = target.closest("#picker button");
  if (option) take(option);
  if (!emoji) return;
  document.getElementById("picker").hidePopover();
  put(emoji.value, box().selectionStart, box().selectionEnd);
});

if (box()) offer();
