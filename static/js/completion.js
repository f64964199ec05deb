// Help with writing, loaded when somebody begins to: what the word before the caret can become, and emoji to pick from.
import { box, insert, isComposing } from "./composer.js";

const list = () => document.getElementById("completions");
const first = () => list().querySelector("[role=option]");
const chosen = () => list().querySelector("[aria-selected=true]");

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
  if (!list() || !word || word === refused) return close();
  // Until the answer comes, the list is that of an earlier word: nothing in it is for a key to take.
  chosen()?.setAttribute("aria-selected", "false");
  point();
  asked = setTimeout(load, 80, word);
}

async function load(word) {
  if (!list()) return;
  const url = `${list().dataset.url}?word=${encodeURIComponent(word)}`;
  await htmx.ajax("GET", url, { source: list(), target: list(), swap: "innerHTML" });
  if (!list()) return;
  list().dataset.word = word;
  const isLate = wordBefore() !== word || word === refused || document.activeElement !== box();
  list().hidden = isLate || !first() || first().dataset.text === word;
  point();
}

function close() {
  clearTimeout(asked);
  if (!list()) return;
  list().hidden = true;
  point();
}

// Screen readers read out the chosen option.
function point() {
  if (!list().hidden && chosen()) box().setAttribute("aria-activedescendant", chosen().id);
  else box().removeAttribute("aria-activedescendant");
}

function take(option) {
  const end = box().selectionStart;
  refused = option.dataset.text;
  put(`${refused} `, end - wordBefore().length, end);
  close();
}

function refuse() {
  refused = wordBefore();
  close();
}

// Before anything else hears of the key: Enter sends what is typed, unless an option was moved to.
document.addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event;
  if (target !== box() || list()?.hidden !== false || isComposing(event) || shiftKey) return;
  const isOfTheWord = list().dataset.word === wordBefore();
  if (!isOfTheWord && key.startsWith("Arrow")) event.stopPropagation();
  const option = isOfTheWord && (chosen() ?? (key === "Tab" && first()));
  if (key === "Enter" && !option) return close();
  if (key !== "Escape" && !(option && ["Enter", "Tab"].includes(key))) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  if (key === "Escape") refuse();
  else take(option);
}, true);

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
