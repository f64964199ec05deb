// What HTML, CSS and htmx cannot do. Without it, forms, links and pages still work; only live update needs JavaScript.
"use strict";

const messages = () => document.getElementById("messages");
const composer = () => document.getElementById("composer");

// Live: resume where we are, and say when we are not.
document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) => {
  const after = messages()?.dataset.revision;
  if (after) connection.url = connection.url.replace(/after=\d+/, `after=${after}`);
});

let live, heardAt;
document.addEventListener("htmx:ws:after:connection", ({ detail: { connection } }) => {
  [live, heardAt] = [connection, Date.now()];
  delete document.documentElement.dataset.connection;
  sendAgain();
});

// The server says something every 15 seconds. After sleep or another network a socket may be dead without being told.
function doubtSilence() {
  if (!live?.socket || Date.now() - heardAt < 35_000) return;
  heardAt = Date.now();
  live.socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
}
setInterval(doubtSilence, 5000);

document.addEventListener("htmx:ws:close", ({ detail: { code } }) => {
  // Above 4000 the server has said why in a notice; 1000 is this page going away.
  if (code !== null && code !== 1000 && code < 4000) document.documentElement.dataset.connection = "lost";
});

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  heardAt = Date.now();
  const cursor = /<hx-cursor data-cursor="(\d+)">/.exec(message.data);
  if (!cursor || !messages()) return;
  messages().dataset.revision = cursor[1];
  sayRead();
});

// What arrives on a page in the foreground is read.
function sayRead() {
  const read = document.getElementById("read");
  if (read && !document.hidden) htmx.trigger(read, "read");
}
document.addEventListener("visibilitychange", () => (doubtSilence(), sayRead()));
// A page from the back/forward cache has a closed socket that htmx does not open again.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// Times: in the reader's own zone and language.
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
function localise() {
  let before = null;
  for (const message of document.querySelectorAll("#messages > .message")) {
    const moment = new Date(message.dataset.at);
    const time = message.querySelector("time");
    const today = day.format(moment);
    if (time && time.title === "") {
      time.textContent = clock.format(moment);
      time.title = moment.toLocaleString();
    }
    if (message.dataset.day !== today) message.dataset.day = today;
    message.classList.toggle("starts-day", today !== before);
    before = today;
  }
}

// The composer: Enter sends; the box is emptied only of what the server has accepted. What is in it outlives the page, and
// what was sent but not acknowledged goes again by itself, with the same client id, so that it is never posted twice.
const draftKey = () => `draft:${composer().dataset.author}:${composer().getAttribute("action")}`;
function keepDraft() {
  const { body, client_id: id } = composer().elements;
  const draft = { body: body.value, id: id.value, submitted: composer().dataset.submitted };
  body.value ? localStorage.setItem(draftKey(), JSON.stringify(draft)) : localStorage.removeItem(draftKey());
}

function restoreDraft() {
  const { body, client_id: id } = composer().elements;
  const draft = JSON.parse(localStorage.getItem(draftKey()));
  if (!draft || body.value) return;
  body.value = draft.body;
  if (draft.submitted) [id.value, composer().dataset.submitted] = [draft.id, "yes"];
}

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const newId = () => [...crypto.getRandomValues(new Uint8Array(16))].map((b) => b.toString(16).padStart(2, "0")).join("");

let retry;
function sendAgain() {
  clearTimeout(retry);
  if (composer()?.dataset.submitted) composer().requestSubmit();
}

function sendAgainLater({ target }, reason) {
  if (target !== composer()) return;
  document.getElementById("composer-error").textContent = `Not sent yet: ${reason}. It goes as soon as possible.`;
  retry = setTimeout(sendAgain, 1500 + 1500 * Math.random());
}

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "body" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer().requestSubmit();
});

document.addEventListener("input", ({ target }) => {
  if (target.id !== "body") return;
  // A changed text is another message than the one that was sent.
  if (composer().dataset.submitted) composer().elements.client_id.value = newId();
  delete composer().dataset.submitted;
  keepDraft();
});

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target !== composer()) return;
  ctx.sent = ctx.request.body.get("body");
  target.dataset.submitted = "yes";
  keepDraft();
});

document.addEventListener("htmx:after:request", ({ target, detail: { ctx } }) => {
  if (target !== composer() || ctx.response.status >= 500) return;
  delete target.dataset.submitted;
  if (ctx.response.status !== 200) return keepDraft();
  const box = target.elements.body;
  // What was typed while the message was on its way stays.
  if (box.value.startsWith(ctx.sent)) box.value = box.value.slice(ctx.sent.length).replace(/^\n+/, "");
  document.getElementById("scroller").scrollTop = 0;
});

document.addEventListener("htmx:after:swap", ({ target }) => {
  localise();
  // Only now has the form its next client id.
  if (target === composer()) keepDraft();
});

document.addEventListener("htmx:error", (event) => sendAgainLater(event, "the server cannot be reached"));
document.addEventListener("htmx:response:error", (event) => {
  if (event.detail.ctx.response.status >= 500) sendAgainLater(event, "the server has a problem");
});
window.addEventListener("online", sendAgain);

document.addEventListener("DOMContentLoaded", () => {
  localise();
  const focus = messages()?.dataset.focus;
  if (focus) location.replace(`#${focus}`);
  if (composer()) restoreDraft();
});
