// The composer: Enter sends; the box is emptied only of what the server has accepted. What was sent but not acknowledged
// goes again by itself, with the same client id, so that it is never posted twice.
"use strict";

const composer = () => document.getElementById("composer");

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

// One message goes after the other, and an answer with its quote: what is sent meanwhile is to go when they are there.
let isOnItsWay = false, isToGo = false, isRepeat = false;
document.addEventListener("submit", (event) => {
  if (event.target !== composer() || isRepeat) return;
  const { submitted } = composer().dataset;
  const isMore = composer().elements.body.value !== submitted;
  isToGo = isMore && Boolean(isOnItsWay || quoting || submitted);
  if (!isOnItsWay && !quoting) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

let retry;
function sendNext() {
  if (!isToGo || isOnItsWay || !composer()) return;
  isToGo = false;
  if (composer().elements.body.value.trim()) composer().requestSubmit();
}

function sendAgain() {
  clearTimeout(retry);
  if (isOnItsWay || !composer()?.dataset.submitted) return sendNext();
  isRepeat = true;
  composer().requestSubmit();
  isRepeat = false;
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
  // A changed text is another message than the one that was sent. What is added while that is on its way is the next one.
  const { submitted } = composer().dataset;
  if (submitted && !(isOnItsWay && target.value.startsWith(submitted))) {
    composer().elements.client_id.value = newId();
    delete composer().dataset.submitted;
  }
  keepDraft(composer());
});

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target !== composer()) return;
  ctx.sent = target.dataset.submitted || ctx.request.body.get("body");
  ctx.request.body.set("body", ctx.sent);
  target.dataset.submitted = ctx.sent;
  isOnItsWay = true;
  keepDraft(target);
});

document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.id !== "composer" || ctx.response.status >= 500) return;
  // The form may be gone before the answer comes, as for who leaves the room, or be another.
  const form = composer() ?? ctx.sourceElement;
  if (form !== ctx.sourceElement) form.elements.client_id.value = newId();
  delete form.dataset.submitted;
  held = false;
  isToGo &&= ctx.response.status === 200;
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

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx.sourceElement.id !== "composer") return;
  isOnItsWay = false;
  // htmx takes no other request of this form before it has heard this.
  if (ctx.response?.status === 200) setTimeout(sendNext);
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
