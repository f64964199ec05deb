// The composer: Enter sends, Up edits what one wrote last.
"use strict";

const composer = () => document.getElementById("composer");

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// Safari ends the composing of a word before it tells of the key that did.
const isComposing = (event) => event.isComposing || event.keyCode === 229;

// A keyboard on the screen has no other key for a new line.
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)");
document.addEventListener("keydown", (event) => {
  const isText = event.target.matches("#body, .editor textarea");
  if (!isText || event.key !== "Enter" || event.shiftKey || isComposing(event) || TOUCH.matches) return;
  event.preventDefault();
  event.target.form.requestSubmit();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "ArrowUp" && event.target.id === "body" && !event.target.value) {
    const mine = document.querySelectorAll(`.message[data-author="${composer().dataset.author}"] .edit`);
    if (!mine.length) return;
    event.preventDefault();
    mine[mine.length - 1].click();
  }
  if (event.key === "Escape" && event.target.closest(".editor")) event.target.form.querySelector("a").click();
});
