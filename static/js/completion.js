// Help with writing: completions of the word before the caret, and the emoji picker.
import { box, insert } from "./composer.js";
import { shown } from "./messages.js";
import { mark, markedOf, onClick, onKey, step } from "./page.js";

const list = () => document.getElementById("completions");

// The word being typed: @ada, :tad, or a command at the very beginning. Names may hold one space, and stand behind a
// letter of those scripts that have no spaces.
const NAME = /(?<![^\s\p{scx=Hira}\p{scx=Kana}\p{scx=Han}\p{scx=Hang}])@[^\s@]*(?: [^\s@]+)?$/u;
const WORDS = [/(?<!\S):[\w+-]{2,}$/, NAME, /^\/\w*$/];
function wordBefore() {
  const text = box().value.slice(0, box().selectionStart);
  return WORDS.map((word) => word.exec(text)?.[0]).find(Boolean) ?? "";
}

let refused;
function offer() {
  const word = wordBefore();
  if (!word || word === refused) return close();
  // Until the answer comes, the list is that of an earlier word: nothing in it is for a key to take.
  mark(box());
  list().setAttribute("hx-vals", JSON.stringify({ word }));
  htmx.trigger(list(), "word");
}

document.addEventListener("htmx:after:swap", ({ target }) => {
  if (target !== list()) return;
  const { word = wordBefore(), text = word } = list().firstElementChild?.dataset ?? {};
  if (word === wordBefore()) list().hidden = [text, refused].includes(word);
});

function close(word = refused) {
  refused = word;
  list().hidden = true;
  mark(box());
}

function take(option) {
  const end = box().selectionStart;
  refused = option.dataset.text;
  insert(`${refused} `, end - wordBefore().length, end);
}

// Enter sends the text, unless an option is marked.
const OFFERED = "#completions:not([hidden]) + #body";
onKey("Enter Tab", OFFERED, ({ key }) => {
  const option = markedOf(box()) ?? (key === "Tab" && list().firstElementChild);
  if (option && option.dataset.word === wordBefore()) return take(option);
  return Boolean(close());
});
onKey("Escape", OFFERED, () => close(wordBefore()));

document.addEventListener("input", ({ target }) => target === box() && offer());
document.addEventListener("mousedown", (event) => event.target.closest("#completions") && event.preventDefault());
onClick("#completions > li", take);
// Its form tells the server which emoji was picked.
export function pick({ value }) {
  document.getElementById("picker").hidePopover();
  insert(value, box().selectionStart, box().selectionEnd);
  box().focus();
}

const emojiOf = ({ form }) => shown(form.querySelectorAll(".emoji-list button"));
onKey("ArrowDown", ".picking > input", ({ target }) => emojiOf(target)[0]?.focus());
onKey("ArrowUp ArrowDown ArrowLeft ArrowRight", ".emoji-list button", (event) => {
  const { form, offsetWidth, parentElement } = event.target;
  step(emojiOf(event.target), event, Math.round(parentElement.clientWidth / offsetWidth), form.elements.q);
});
onClick(".categories > a", (link) => {
  const place = link.closest("form").querySelector(link.hash);
  place?.scrollIntoView();
  place?.querySelector("button").focus({ preventScroll: true });
});

if (box()) offer();
