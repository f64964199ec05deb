// Help with writing: what the word before the caret can become, emoji to pick from, the words of others to answer to.
"use strict";

const box = () => document.getElementById("body");
const list = () => document.getElementById("completions");
const chosen = () => list().querySelector("[aria-selected=true]");

function insert(text, start, end) {
  box().setRangeText(text, start, end, "end");
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

function put(text, start, end) {
  insert(text, start, end);
  box().focus();
}

// The word being typed: @ada, :tad, or a command at the very beginning. Names may hold one space, and stand behind a
// letter of those scripts that have no spaces.
const WORD = /(?:(?<!\S):[\w+-]{2,}|(?<![^\s\p{scx=Hira}\p{scx=Kana}\p{scx=Han}\p{scx=Hang}])@[^\s@]*(?: [^\s@]+)?|^\/\w*)$/u;
const wordBefore = () => WORD.exec(box().value.slice(0, box().selectionStart))?.[0] ?? "";

let asked, refused;
function offer() {
  const word = wordBefore();
  clearTimeout(asked);
  if (!list() || !word || word === refused) return close();
  // Until the answer comes, the list is that of an earlier word: nothing in it is for Enter to take.
  chosen()?.setAttribute("aria-selected", "false");
  point();
  asked = setTimeout(async () => {
    if (!list()) return;
    const url = `${list().dataset.url}?word=${encodeURIComponent(word)}`;
    await htmx.ajax("GET", url, { source: list(), target: list(), swap: "innerHTML" });
    if (!list()) return;
    list().dataset.word = word;
    const isLate = wordBefore() !== word || word === refused || document.activeElement !== box();
    // What is complete already is for Enter to send.
    list().hidden = isLate || !chosen() || chosen().dataset.text === word;
    point();
  }, 80);
}

function close() {
  clearTimeout(asked);
  if (!list()) return;
  list().hidden = true;
  point();
}

function point() {
  const item = list().hidden ? null : chosen();
  item ? box().setAttribute("aria-activedescendant", item.id) : box().removeAttribute("aria-activedescendant");
}

function move(by) {
  const all = [...list().children];
  const next = all[(all.indexOf(chosen()) + by + all.length) % all.length];
  for (const item of all) item.setAttribute("aria-selected", item === next);
  next.scrollIntoView({ block: "nearest" });
  point();
}

function take(item) {
  const end = box().selectionStart;
  refused = item.dataset.text;
  put(`${item.dataset.text} `, end - wordBefore().length, end);
  close();
}

// Before anything else hears of the key: Enter would send.
document.addEventListener("keydown", (event) => {
  if (event.target !== box() || list()?.hidden !== false || isComposing(event)) return;
  const acts = {
    ArrowDown: () => move(1),
    ArrowUp: () => move(-1),
    Enter: () => take(chosen()),
    Tab: () => take(chosen()),
    Escape: () => ((refused = wordBefore()), close()),
  };
  if (!acts[event.key] || event.shiftKey) return;
  const isOfTheWord = chosen() && list().dataset.word === wordBefore();
  if (!isOfTheWord && event.key === "Enter") return close();
  if (!isOfTheWord && event.key !== "Escape") return;
  event.preventDefault();
  event.stopImmediatePropagation();
  acts[event.key]();
}, true);

// The list may still be that of what was typed before: Enter goes there, and does not choose.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("#picker input, .quick-reactions input")) return;
  event.preventDefault();
  event.target.parentElement.querySelector(".emoji-list button")?.focus();
});

document.addEventListener("input", ({ target }) => target === box() && offer());
document.addEventListener("focusout", ({ target }) => target === box() && setTimeout(close, 150));
document.addEventListener("mousedown", (event) => event.target.closest("#completions") && event.preventDefault());
document.addEventListener("click", ({ target }) => {
  const item = target.closest("#completions > li");
  if (item) take(item);
  const emoji = target.closest("#picker button");
  if (!emoji) return;
  document.getElementById("picker").hidePopover();
  put(emoji.value, box().selectionStart, box().selectionEnd);
});

// What one types before the quote is here stands behind it; what was sent before one asked for it stands in front.
const quotes = new Set();
document.addEventListener("htmx:before:request", ({ target }) => {
  if (!box() || !target.matches?.(".message-actions [href$='/reply']")) return;
  quotes.add(target);
  box().focus();
});
document.addEventListener("quote", ({ detail: { text } }) => {
  if (!box()) return;
  const { submitted = "" } = composer().dataset, { value } = box();
  const before = toGo.findLast((each) => !each.withQuote)?.text ?? submitted;
  let start = value.startsWith(before) ? before.length : 0;
  if (start && value[start] === "\n") start += 1;
  const quote = start && value[start - 1] !== "\n" ? `\n${text}` : text;
  if (start && submitted) composer().dataset.followed = "yes";
  for (const each of toGo) if (each.withQuote) each.text = each.text.slice(0, start) + quote + each.text.slice(start);
  insert(quote, start, start);
  box().selectionStart = box().selectionEnd = box().value.length;
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!quotes.delete(ctx.sourceElement)) return;
  if (ctx.response?.status !== 200 && toGo.some((each) => each.withQuote)) {
    toGo = toGo.filter((each) => !each.withQuote);
    document.getElementById("composer-error").textContent = "Not sent: the message you answer to could not be quoted.";
  }
  if (!quotes.size) for (const each of toGo) each.withQuote = false;
  sendNext();
});

for (const moment of ["DOMContentLoaded", "htmx:after:swap"]) document.addEventListener(moment, () => {
  const button = document.getElementById("pick");
  if (button) button.hidden = false;
});
