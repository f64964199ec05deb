// The list of messages: times in the reader's own zone and language, what has been read, and what is too much.
"use strict";

const messages = () => document.getElementById("messages");

const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "full" });
function localise() {
  let before = null;
  for (const message of messages()?.children ?? []) {
    const time = message.querySelector("time");
    if (time?.title === "") {
      const moment = new Date(message.dataset.at);
      time.textContent = clock.format(moment);
      time.title = moment.toLocaleString();
      message.dataset.day = day.format(moment);
    }
    if (message.classList.contains("starts-day") !== (message.dataset.day !== before)) message.classList.toggle("starts-day");
    before = message.dataset.day;
  }
}

// What arrives on a page in the foreground is read.
function sayRead() {
  const read = document.getElementById("read");
  if (read && !document.hidden) htmx.trigger(read, "read");
}
document.addEventListener("visibilitychange", sayRead);
document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  if (message.data.includes("<hx-cursor")) sayRead();
});

// A page that stays open for days lets go of what it has not shown for long; scrolling up brings it back.
const MOST = 400, KEPT = 200;
function trim() {
  const list = messages(), link = document.querySelector("#older a");
  // In a scroller whose column is reversed, 0 is the end.
  if (!link || list.children.length <= MOST || document.getElementById("scroller").scrollTop < 0) return;
  while (list.children.length > KEPT) list.firstElementChild.remove();
  const before = `before=${list.firstElementChild.dataset.position}`;
  for (const name of ["href", "hx-get"]) link.setAttribute(name, link.getAttribute(name).replace(/before=\d*/, before));
  link.hidden = false;
}

document.addEventListener("htmx:after:swap", () => (trim(), localise()));
document.addEventListener("DOMContentLoaded", () => {
  localise();
  const focus = messages()?.dataset.focus;
  if (focus) location.replace(`#${focus}`);
});
