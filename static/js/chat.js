// What HTML, CSS and htmx cannot do. Without it, forms, links and pages still work; only live update needs JavaScript.
"use strict";

const messages = () => document.getElementById("messages");
const composer = () => document.getElementById("composer");

// Live: resume where we are, and say when we are not.

document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) => {
  const list = messages();
  if (!list?.dataset.revision) return;
  const url = new URL(connection.url);
  url.searchParams.set("after", list.dataset.revision);
  connection.url = url.href;
});

document.addEventListener("htmx:ws:after:connection", () => delete document.documentElement.dataset.connection);

document.addEventListener("htmx:ws:close", ({ detail: { code } }) => {
  // Above 4000 the server has said why in a notice; 1000 is this page going away.
  if (code !== null && code !== 1000 && code < 4000) document.documentElement.dataset.connection = "lost";
});

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
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

document.addEventListener("visibilitychange", sayRead);

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

document.addEventListener("htmx:after:swap", localise);

// The composer: Enter sends; the box is emptied only of what the server has accepted; a draft outlives the page.

const draftKey = () => `draft:${composer().getAttribute("action")}`;

function keepDraft(box) {
  box.value ? sessionStorage.setItem(draftKey(), box.value) : sessionStorage.removeItem(draftKey());
}

function complain(text) {
  document.getElementById("composer-error").textContent = text;
}

document.addEventListener("keydown", (event) => {
  if (event.target.id !== "body" || event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  composer().requestSubmit();
});

document.addEventListener("input", ({ target }) => target.id === "body" && keepDraft(target));

document.addEventListener("htmx:config:request", ({ target, detail: { ctx } }) => {
  if (target === composer()) ctx.sent = ctx.request.body.get("body");
});

document.addEventListener("htmx:after:request", ({ target, detail: { ctx } }) => {
  if (target !== composer() || ctx.response.status !== 200) return;
  const box = composer().elements.body;
  // What was typed while the message was on its way stays.
  if (box.value.startsWith(ctx.sent)) box.value = box.value.slice(ctx.sent.length).replace(/^\n+/, "");
  keepDraft(box);
  document.getElementById("scroller").scrollTop = 0;
});

document.addEventListener("htmx:error", ({ target }) => {
  if (target === composer()) complain("Not sent: the server cannot be reached. Your text is kept; try again.");
});

document.addEventListener("htmx:response:error", ({ target, detail: { ctx } }) => {
  if (target === composer() && ctx.response.status >= 500) complain("Not sent: the server has a problem. Your text is kept; try again.");
});

document.addEventListener("DOMContentLoaded", () => {
  localise();
  const focus = messages()?.dataset.focus;
  if (focus) location.replace(`#${focus}`);
  const box = composer()?.elements.body;
  if (box && !box.value) box.value = sessionStorage.getItem(draftKey()) ?? "";
});
