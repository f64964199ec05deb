// Every page: questions before what cannot be undone, where the keyboard is after an action, keys that lead elsewhere.
import { box } from "./composer.js";
import { scroller } from "./messages.js";

// A button with a question is pressed again when its dialog was answered with yes.
let confirmed = null;
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-confirm]");
  if (!button || button === confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(button);
}, true);

function ask(button) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = button.dataset.confirm;
  dialog.querySelector("[value=yes]").textContent = button.dataset.word;
  dialog.returnValue = "";
  dialog.onclose = () => {
    // The end of the question before this one may be told late.
    if (dialog.open) return;
    dialog.onclose = null;
    if (dialog.returnValue !== "yes") return;
    confirmed = button;
    button.click();
    confirmed = null;
  };
  dialog.showModal();
}

const writing = () => box() ?? scroller() ?? document.getElementById("main");
const placeIn = (message, emoji) =>
  message?.querySelector(`.reaction[value="${CSS.escape(emoji)}"]`) ??
  message?.querySelector(".more") ?? message?.querySelector(".permalink");

// A swap may remove what had the keyboard; a mouse needs no place to be.
let had = null;
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const at = document.activeElement;
  if (at === document.body) return;
  const wasEditing = Boolean(at.closest(".editor") ?? ctx.sourceElement?.closest?.(".editor"));
  had = { at, message: at.closest(".message")?.id, wasEditing, isKeyboard: at.matches(":focus-visible") };
}, true);
document.addEventListener("htmx:after:swap", () => {
  if (had && document.activeElement === document.body) giveBack(had);
  had = null;
});

function giveBack({ at, message, wasEditing, isKeyboard }) {
  const place = placeIn(document.getElementById(message), at.value);
  if (at.isConnected) at.focus({ preventScroll: true });
  else if (wasEditing) writing().focus();
  else if (isKeyboard) (place ?? (at.closest(".further") ? scroller() : writing())).focus();
}

// From message to message.
document.addEventListener("keydown", (event) => {
  const { key, target } = event, message = target.closest(".message");
  if (!["ArrowUp", "ArrowDown"].includes(key) || !message || target.closest(".editor, .message-actions")) return;
  event.preventDefault();
  let next = message;
  do next = key === "ArrowUp" ? next.previousElementSibling : next.nextElementSibling;
  while (next && !next.querySelector(".more"));
  if (next) placeIn(next).focus();
  else if (key === "ArrowDown") writing().focus();
});

// The list of emoji may still be that of an earlier word: Enter goes there, and does not choose.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("#picker input, .quick-reactions input")) return;
  event.preventDefault();
  event.target.parentElement.querySelector(".emoji-list button")?.focus();
});

document.addEventListener("click", ({ target }) => target.closest("#jump:focus-visible") && writing().focus());
// A dialog that was opened by a key gives the keyboard to the composer.
document.addEventListener("close", ({ target }) => {
  const at = document.activeElement;
  // The browser may not have taken the keyboard out of what is closed yet.
  if (at === document.body || target.contains(at)) writing().focus();
}, true);
// A form that came back has the keyboard where it is wrong, after the browser has gone to the place in the address.
window.addEventListener("load", () => document.querySelector("[aria-invalid=true]")?.focus());

function openSwitcher() {
  if (document.querySelector("dialog[open]")) return;
  import("./switcher.js").then((module) => module.openSwitcher(), () => location.assign("/switch"));
}

function openKeys() {
  const dialog = document.getElementById("shortcuts");
  if (!dialog || document.querySelector("dialog[open]")) return;
  dialog.showModal();
  htmx.trigger(dialog, "opened");
}

// The box in the sidebar, or the page of its own where the sidebar is not shown.
function search() {
  const field = document.querySelector("main input[type=search], .sidebar-search > input");
  if (field?.checkVisibility()) field.focus();
  else location.assign("/search");
}

document.addEventListener("keydown", (event) => {
  const { key, target, altKey } = event, switcher = document.getElementById("switcher");
  const isCommand = event.ctrlKey || event.metaKey;
  const isTyping = target.matches("input, textarea, select, [contenteditable]");
  if (isCommand && !altKey && key.toLowerCase() === "k" && switcher) switcher.open ? switcher.close() : openSwitcher();
  else if (key === "/" && !isTyping && !isCommand) search();
  else if (key === "?" && !isTyping) openKeys();
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#switch") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  openSwitcher();
});

// Help with writing is loaded when somebody begins to write. While the server is away there is none.
for (const type of ["input", "click"]) document.addEventListener(type, ({ target }) => {
  if (target.closest("#composer")) import("./completion.js").catch(() => {});
});
