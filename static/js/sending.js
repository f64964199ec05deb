// Sending: the box is emptied only of what the server has accepted. What was sent but not acknowledged goes again by itself,
// with the same client id, so that it is never posted twice. One message goes after the other, and an answer with its quote:
// what is sent meanwhile goes when they are there.
"use strict";

// What is to go, as the text of the box up to the end of each.
let onItsWay = null, toGo = [], isRepeat = false;
const lastSent = () => toGo.at(-1)?.text ?? composer().dataset.submitted ?? "";
document.addEventListener("submit", (event) => {
  if (event.target !== composer() || isRepeat) return;
  const text = composer().elements.body.value, isBlocked = Boolean(onItsWay) || quotes.size > 0;
  if (!text.startsWith(lastSent())) toGo = [];
  const isMore = text.slice(lastSent().length).trim() !== "";
  if (isMore && (isBlocked || lastSent())) toGo.push({ text, withQuote: quotes.size > 0 });
  if (!isBlocked) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

// Nothing of the text is on its way, or may have been posted, any more.
function settle(form) {
  delete form.dataset.submitted;
  delete form.dataset.followed;
}

// What was added to it since stays; what was changed since is not what was sent.
function sendNext() {
  if (!toGo.length || onItsWay || (toGo[0].withQuote && quotes.size)) return;
  const form = composer(), { text } = toGo.shift();
  if (!text.trim() || !form?.elements.body.value.startsWith(text)) return (toGo = []);
  form.dataset.submitted = text;
  if (form.elements.body.value !== text) form.dataset.followed = "yes";
  sendAgain();
}

let retry;
function sendAgain() {
  clearTimeout(retry);
  if (onItsWay) return;
  if (!composer()?.dataset.submitted) return sendNext();
  isRepeat = true;
  composer().requestSubmit();
  isRepeat = false;
}

function sendAgainLater({ ctx }, reason) {
  if (ctx?.sourceElement?.id !== "composer" || !(composer()?.dataset.submitted || toGo.length)) return;
  // A rate limit tells how long to wait; the server's message stands beside the box.
  const seconds = Number(ctx.response?.headers.get("Retry-After")) || 1.5 + 1.5 * Math.random();
  if (reason) document.getElementById("composer-error").textContent = `Not sent yet: ${reason}. It is sent as soon as possible.`;
  clearTimeout(retry);
  retry = setTimeout(sendAgain, 1000 * seconds);
}

// After more than a minute, a message sent automatically would surprise its author.
const isToWait = ({ status, headers }) => status >= 500 || (status === 429 && headers.get("Retry-After") <= 60);

// What is typed behind what was sent begins a line. Chromium does not count that line when it places the cursor behind
// several letters at once, as from a paste or another keyboard: the next ones would stand before the last of these.
let beginsLine = false;
document.addEventListener("beforeinput", (event) => {
  const { target: box, inputType } = event;
  if (box.id !== "body" || isComposing(event) || !inputType.startsWith("insert") || !(onItsWay || toGo.length)) return;
  const end = box.value.length;
  if (box.value === lastSent() && box.selectionStart === end) {
    box.setRangeText("\n", end, end, "end");
    beginsLine = true;
  }
});

document.addEventListener("input", ({ target }) => {
  if (target.id !== "body") return;
  if (beginsLine) target.setSelectionRange(target.value.length, target.value.length);
  beginsLine = false;
  const form = composer(), { submitted, followed } = form.dataset;
  // A changed text is another message than the one that was sent. What is added while that is on its way is the next one.
  if (submitted && target.value.startsWith(submitted) && (onItsWay || followed)) form.dataset.followed = "yes";
  else if (submitted) {
    settle(form);
    form.elements.client_id.value = newId();
    document.getElementById("composer-error").textContent = "";
  }
  keepDraft(form);
});

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target !== composer()) return;
  ctx.sent = target.dataset.submitted || ctx.request.body.get("body");
  ctx.request.body.set("body", ctx.sent);
  target.dataset.submitted = ctx.sent;
  onItsWay = ctx;
  keepDraft(target);
});

const less = (text, start) => (text.startsWith(start) ? text.slice(start.length).replace(/^\n+/, "") : text);
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  // Whoever is signed out finds what they sent again, as not acknowledged, when they are back.
  if (ctx.sourceElement.id !== "composer" || isToWait(ctx.response) || ctx.hx?.refresh) return;
  // The form may be gone before the answer comes, as for who leaves the room, or be another.
  const form = composer() ?? ctx.sourceElement, isSame = form.dataset.submitted === ctx.sent;
  // What leads elsewhere puts no new client id into the form.
  const isSpent = form !== ctx.sourceElement || ctx.hx?.redirect;
  if (isSpent) form.elements.client_id.value = newId();
  settle(form);
  held = false;
  if (ctx.response.status !== 200 && !ctx.hx?.redirect) return (toGo = []), keepDraft(form);
  const box = form.elements.body;
  // What was typed while the message was on its way stays.
  if (isSame) box.value = less(box.value, ctx.sent);
  if (isSame) for (const each of toGo) each.text = less(each.text, ctx.sent);
  document.getElementById("scroller")?.scrollTo(0, 0);
  document.getElementById("first-unread")?.remove();
  if (messages()) noneIsNew();
  if (isSpent) keepDraft(form);
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx !== onItsWay) return;
  onItsWay = null;
  // htmx takes no other request of this form before it has heard this.
  if (ctx.response?.status === 200) setTimeout(sendNext);
});

document.addEventListener("htmx:after:swap", ({ target }) => {
  // A room in which one may write again has a new composer.
  if (composer() && !composer().dataset.known) restoreDraft();
  // Only now has the form its next client id.
  if (composer() && target === composer()) keepDraft(target);
});

document.addEventListener("htmx:error", ({ detail }) => sendAgainLater(detail, "the server cannot be reached"));
document.addEventListener("htmx:response:error", ({ detail }) => {
  const { response } = detail.ctx;
  if (isToWait(response)) sendAgainLater(detail, response.status >= 500 && "the server has a problem");
});
window.addEventListener("online", sendAgain);
document.addEventListener("htmx:ws:after:connection", sendAgain);
document.addEventListener("DOMContentLoaded", () => composer() && restoreDraft());
