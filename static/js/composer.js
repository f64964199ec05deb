// The composer: Enter sends; the box is emptied only of what the server has accepted. What is in it outlives the page, and
// what was sent but not acknowledged goes again by itself, with the same client id, so that it is never posted twice.
"use strict";

const composer = () => document.getElementById("composer");

const draftKey = (form) => `draft:${form.dataset.author}:${form.getAttribute("action")}`;
function keepDraft(form) {
  const { body, client_id: id } = form.elements;
  const draft = { body: body.value, id: id.value, submitted: form.dataset.submitted };
  body.value ? localStorage.setItem(draftKey(form), JSON.stringify(draft)) : localStorage.removeItem(draftKey(form));
}

let retry;
function restoreDraft() {
  composer().dataset.known = "yes";
  const { body, client_id: id } = composer().elements;
  const draft = JSON.parse(localStorage.getItem(draftKey(composer())));
  if (!draft || body.value) return;
  body.value = draft.body;
  if (!draft.submitted) return;
  [id.value, composer().dataset.submitted] = [draft.id, "yes"];
  // The connection, at which it goes, may be there already.
  clearTimeout(retry);
  retry = setTimeout(sendAgain, 1500);
}

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

function sendAgain() {
  clearTimeout(retry);
  if (composer()?.dataset.submitted) composer().requestSubmit();
}

function sendAgainLater({ target }, reason) {
  if (target !== composer()) return;
  document.getElementById("composer-error").textContent = `Not sent yet: ${reason}. It goes as soon as possible.`;
  retry = setTimeout(sendAgain, 1500 + 1500 * Math.random());
}

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

document.addEventListener("input", ({ target }) => {
  if (target.id !== "body") return;
  // A changed text is another message than the one that was sent.
  if (composer().dataset.submitted) composer().elements.client_id.value = newId();
  delete composer().dataset.submitted;
  keepDraft(composer());
});

// Another page of this room has sent what it had, or thrown it away. Here stands the same, or something else to keep.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (!composer() || newValue !== null || key !== draftKey(composer())) return;
  const { body, client_id: id } = composer().elements;
  if (body.value === JSON.parse(oldValue).body) {
    clearTimeout(retry);
    // That id may be spent.
    [body.value, id.value] = ["", newId()];
    delete composer().dataset.submitted;
    document.getElementById("composer-error").textContent = "";
  }
  keepDraft(composer());
});

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target !== composer()) return;
  ctx.sent = ctx.request.body.get("body");
  target.dataset.submitted = "yes";
  keepDraft(target);
});

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.id !== "composer" || ctx.response.status >= 500) return;
  // The form may be gone before the answer comes, as for who leaves the room, or be another.
  const form = composer() ?? ctx.sourceElement;
  if (form !== ctx.sourceElement) form.elements.client_id.value = newId();
  delete form.dataset.submitted;
  held = false;
  if (ctx.response.status !== 200 && !ctx.hx?.redirect) return keepDraft(form);
  const box = form.elements.body;
  // What was typed while the message was on its way stays.
  if (box.value.startsWith(ctx.sent)) box.value = box.value.slice(ctx.sent.length).replace(/^\n+/, "");
  document.getElementById("scroller")?.scrollTo(0, 0);
  document.getElementById("first-unread")?.remove();
  if (messages()) noneIsNew();
  // What leads elsewhere puts no new client id into the form.
  if (ctx.response.status !== 200 || form !== ctx.sourceElement) keepDraft(form);
});

document.addEventListener("htmx:after:swap", ({ target }) => {
  // A room in which one may write again has a new composer.
  if (composer() && !composer().dataset.known) restoreDraft();
  // Only now has the form its next client id.
  if (composer() && target === composer()) keepDraft(target);
});

document.addEventListener("htmx:error", (event) => sendAgainLater(event, "the server cannot be reached"));
document.addEventListener("htmx:response:error", (event) => {
  if (event.detail.ctx.response.status >= 500) sendAgainLater(event, "the server has a problem");
});
window.addEventListener("online", sendAgain);
document.addEventListener("htmx:ws:after:connection", sendAgain);
document.addEventListener("DOMContentLoaded", () => composer() && restoreDraft());
