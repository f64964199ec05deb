// Where the keyboard is after an action, and how it gets from message to message.
"use strict";

const writing = () => document.getElementById("body") ?? document.getElementById("scroller") ?? document.getElementById("main");

// What a swap takes away may have had the keyboard; a mouse needs no place to be.
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
  const shown = document.getElementById(message);
  if (at.isConnected) at.focus({ preventScroll: true });
  else if (wasEditing) writing().focus();
  else if (isKeyboard) (placeIn(shown, at.value) ?? (at.closest(".further") ? document.getElementById("scroller") : writing())).focus();
}

const placeIn = (message, emoji) =>
  message?.querySelector(`.reaction[value="${CSS.escape(emoji)}"]`) ?? message?.querySelector(".more") ?? message?.querySelector(".permalink");

document.addEventListener("keydown", (event) => {
  const message = event.target.closest(".message");
  if (!["ArrowUp", "ArrowDown"].includes(event.key) || !message || event.target.closest(".editor, .message-actions")) return;
  event.preventDefault();
  let next = message;
  do next = event.key === "ArrowUp" ? next.previousElementSibling : next.nextElementSibling;
  while (next && !next.querySelector(".more"));
  if (next) placeIn(next).focus();
  else if (event.key === "ArrowDown") writing().focus();
});

document.addEventListener("click", ({ target }) => target.closest("#jump:focus-visible") && writing().focus());

// Whoever leaves a dialog that was opened from nowhere wants to write.
document.addEventListener("close", ({ target }) => {
  const at = document.activeElement;
  // The browser may not have taken the keyboard out of what is closed yet.
  if (at === document.body || target.contains(at)) writing().focus();
}, true);

// A form that came back is looked at where it is wrong; not before the browser has gone to the place in the address.
window.addEventListener("load", () => document.querySelector("[aria-invalid=true]")?.focus());
