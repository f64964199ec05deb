// The composer: Enter sends. The box is emptied only of what the server has accepted; a message without an answer is
// sent again with its client id, so that it is never posted twice. Messages sent while another is in flight, or while
// the quote they answer loads, are queued and sent in order. Drafts outlive the page, and are the same in all pages of
// a room.
import { scroller } from "./messages.js";

export const composer = () => document.getElementById("composer");
export const box = () => document.getElementById("body");
const showError = (text) => (document.getElementById("composer-error").textContent = text);

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const hex = (byte) => byte.toString(16).padStart(2, "0");
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");

// Safari ends the composing of a word before it tells of the key that did.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

export function insert(text, start, end) {
  box().setRangeText(text, start, end, "end");
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

// A keyboard on the screen has no other key for a new line.
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)");
document.addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event;
  if (key === "Enter" && target.matches("#body, .editor textarea")) {
    if (shiftKey || isComposing(event) || TOUCH.matches) return;
    event.preventDefault();
    target.form.requestSubmit();
  } else if (key === "ArrowUp" && target.id === "body" && !target.value) {
    const mine = [...document.querySelectorAll(`.message[data-author="${composer().dataset.author}"] .edit`)];
    if (!mine.length) return;
    event.preventDefault();
    mine.at(-1).click();
  } else if (key === "Escape" && target.closest(".editor")) target.form.querySelector("a").click();
});

const draftKey = (form) => `draft:${form.dataset.author}:${form.getAttribute("action")}`;
function keepDraft(form) {
  const { body, client_id: id } = form.elements;
  const draft = { body: body.value, id: id.value, submitted: form.dataset.submitted };
  if (body.value) localStorage.setItem(draftKey(form), JSON.stringify(draft));
  else localStorage.removeItem(draftKey(form));
}

function restoreDraft() {
  composer().dataset.known = "yes";
  const { body, client_id: id } = composer().elements;
  const draft = JSON.parse(localStorage.getItem(draftKey(composer())));
  if (!draft) return;
  // Something stands there already: a quote, what the browser has kept, or what was typed before this could run.
  const there = body.value;
  if (!there.startsWith(draft.body)) body.value = draft.body.startsWith(there) ? draft.body : `${draft.body}\n${there}`;
  if (!draft.submitted) return;
  [id.value, composer().dataset.submitted] = [draft.id, draft.submitted];
  if (body.value !== draft.submitted) composer().dataset.followed = "yes";
  // The connection, at which it goes, may be there already.
  clearTimeout(retry);
  retry = setTimeout(sendAgain, 1500);
}

// Another page of this room has sent what it had, or thrown it away. Here stands the same, or something else to keep.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (!composer() || newValue !== null || key !== draftKey(composer())) return;
  const { body, client_id: id } = composer().elements;
  if (body.value === JSON.parse(oldValue).body) {
    clearTimeout(retry);
    // That id may be spent.
    [body.value, id.value] = ["", newId()];
    settle(composer());
    showError("");
  }
  keepDraft(composer());
});

// Queued messages; each entry is the text of the box up to its end.
let inFlight = null, queue = [], isRepeat = false;
const lastSent = () => queue.at(-1)?.text ?? composer().dataset.submitted ?? "";
document.addEventListener("submit", (event) => {
  if (event.target !== composer() || isRepeat) return;
  const text = box().value, isBlocked = Boolean(inFlight) || quotes.size > 0;
  if (!text.startsWith(lastSent())) queue = [];
  const isMore = text.slice(lastSent().length).trim() !== "";
  if (isMore && (isBlocked || lastSent())) queue.push({ text, withQuote: quotes.size > 0 });
  if (!isBlocked) return;
  event.preventDefault();
  event.stopPropagation();
}, true);

// Nothing of the text is in flight, or may have been posted, any more.
function settle(form) {
  delete form.dataset.submitted;
  delete form.dataset.followed;
}

// Text added to a queued message stays in the box; a message that was changed since is not sent.
function sendNext() {
  if (!queue.length || inFlight || (queue[0].withQuote && quotes.size)) return;
  const form = composer(), { text } = queue.shift();
  if (!text.trim() || !form?.elements.body.value.startsWith(text)) {
    queue = [];
    return;
  }
  form.dataset.submitted = text;
  if (form.elements.body.value !== text) form.dataset.followed = "yes";
  sendAgain();
}

let retry;
function sendAgain() {
  clearTimeout(retry);
  if (inFlight) return;
  if (!composer()?.dataset.submitted) {
    sendNext();
    return;
  }
  isRepeat = true;
  composer().requestSubmit();
  isRepeat = false;
}

function sendAgainLater({ ctx }, reason) {
  if (ctx?.sourceElement?.id !== "composer" || !(composer()?.dataset.submitted || queue.length)) return;
  // A rate limit tells how long to wait; the server's message stands beside the box.
  const seconds = Number(ctx.response?.headers.get("Retry-After")) || 1.5 + 1.5 * Math.random();
  if (reason) showError(`Not sent yet: ${reason}. It is sent as soon as possible.`);
  clearTimeout(retry);
  retry = setTimeout(sendAgain, 1000 * seconds);
}

// After more than a minute, a message sent automatically would surprise its author.
const isToWait = ({ status, headers }) => status >= 500 || (status === 429 && headers.get("Retry-After") <= 60);

// Text typed behind a sent message begins a line. Chromium does not count that line when it places the cursor behind
// several letters at once, as from a paste or another keyboard: the next ones would stand before the last of these.
let beginsLine = false;
document.addEventListener("beforeinput", (event) => {
  const { target, inputType } = event;
  if (target.id !== "body" || isComposing(event) || !inputType.startsWith("insert")) return;
  const end = target.value.length, isAtEnd = target.value === lastSent() && target.selectionStart === end;
  if (!isAtEnd || !(inFlight || queue.length)) return;
  target.setRangeText("\n", end, end, "end");
  beginsLine = true;
});

document.addEventListener("input", ({ target }) => {
  if (target.id !== "body") return;
  if (beginsLine) target.setSelectionRange(target.value.length, target.value.length);
  beginsLine = false;
  const form = composer(), { submitted, followed } = form.dataset;
  // A changed text is another message than the one that was sent. Text added while that is in flight is the next one.
  if (submitted && target.value.startsWith(submitted) && (inFlight || followed)) form.dataset.followed = "yes";
  else if (submitted) {
    settle(form);
    form.elements.client_id.value = newId();
    showError("");
  }
  keepDraft(form);
});

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target !== composer()) return;
  ctx.sent = target.dataset.submitted || ctx.request.body.get("body");
  ctx.request.body.set("body", ctx.sent);
  target.dataset.submitted = ctx.sent;
  inFlight = ctx;
  keepDraft(target);
});

const less = (text, start) => (text.startsWith(start) ? text.slice(start.length).replace(/^\n+/, "") : text);
document.addEventListener("htmx:after:request", ({ detail: { ctx } }) => {
  // After signing in again, the author finds what was sent as a draft that is not acknowledged.
  if (ctx.sourceElement.id !== "composer" || isToWait(ctx.response) || ctx.hx?.refresh) return;
  // The form may be gone before the answer comes, as for who leaves the room, or be another.
  const form = composer() ?? ctx.sourceElement, isSame = form.dataset.submitted === ctx.sent;
  // What leads elsewhere puts no new client id into the form.
  const isSpent = form !== ctx.sourceElement || ctx.hx?.redirect;
  const isAccepted = ctx.response.status === 200 || Boolean(ctx.hx?.redirect);
  if (isSpent) form.elements.client_id.value = newId();
  settle(form);
  if (!isAccepted) {
    queue = [];
    keepDraft(form);
  } else {
    if (isSame) form.elements.body.value = less(form.elements.body.value, ctx.sent);
    if (isSame) for (const each of queue) each.text = less(each.text, ctx.sent);
    scroller()?.scrollTo(0, 0);
    document.getElementById("first-unread")?.remove();
    if (isSpent) keepDraft(form);
  }
  document.dispatchEvent(new CustomEvent("chat:answered", { detail: { isAccepted } }));
});

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (ctx !== inFlight) return;
  inFlight = null;
  // htmx takes no other request of this form before it has heard this.
  if (ctx.response?.status === 200) setTimeout(sendNext);
});

document.addEventListener("htmx:after:swap", ({ target }) => {
  // A room that is restored, or opened to members again, has a new composer.
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

// Text typed while a quote loads goes after it; messages sent before the quote was asked for stand in front of it.
const quotes = new Set();
document.addEventListener("htmx:before:request", ({ target }) => {
  if (!box() || !target.matches?.(".message-actions [href$='/reply']")) return;
  quotes.add(target);
  box().focus();
});
document.addEventListener("quote", ({ detail: { text } }) => {
  if (!box()) return;
  const { submitted = "" } = composer().dataset, { value } = box();
  const before = queue.findLast((each) => !each.withQuote)?.text ?? submitted;
  let start = value.startsWith(before) ? before.length : 0;
  if (start && value[start] === "\n") start += 1;
  const quote = start && value[start - 1] !== "\n" ? `\n${text}` : text;
  if (start && submitted) composer().dataset.followed = "yes";
  for (const each of queue) if (each.withQuote) each.text = each.text.slice(0, start) + quote + each.text.slice(start);
  insert(quote, start, start);
  box().selectionStart = box().selectionEnd = box().value.length;
});
document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  if (!quotes.delete(ctx.sourceElement)) return;
  if (ctx.response?.status !== 200 && queue.some((each) => each.withQuote)) {
    queue = queue.filter((each) => !each.withQuote);
    showError("Not sent: the message you answer to could not be quoted.");
  }
  if (!quotes.size) for (const each of queue) each.withQuote = false;
  sendNext();
});

if (composer()) restoreDraft();
