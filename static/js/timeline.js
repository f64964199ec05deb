// The list of messages: times in the reader's own zone and language, what has been read, and what is too much.
"use strict";

const messages = () => document.getElementById("messages");

// In the zone and by the clock that the reader has chosen, else the browser's, which need not know every zone.
const { timeZone, hourCycle } = document.documentElement.dataset;
function formatOf(style) {
  try {
    return new Intl.DateTimeFormat(undefined, { ...style, timeZone, hourCycle });
  } catch {
    return new Intl.DateTimeFormat(undefined, { ...style, hourCycle });
  }
}
const clock = formatOf({ timeStyle: "short" });
const day = formatOf({ dateStyle: "full" });
const full = formatOf({ dateStyle: "medium", timeStyle: "medium" });
const dayAndClock = formatOf({ dateStyle: "full", timeStyle: "short" });
function localise() {
  for (const time of document.querySelectorAll("time[data-moment]")) {
    time.textContent = dayAndClock.format(new Date(time.dateTime));
    delete time.dataset.moment;
  }
  let before = null;
  for (const message of messages()?.children ?? []) {
    const time = message.querySelector("time");
    if (time?.title.endsWith(" UTC")) {
      const moment = new Date(message.dataset.at);
      time.textContent = clock.format(moment);
      time.title = full.format(moment);
      message.dataset.day = day.format(moment);
    }
    if (message.classList.contains("starts-day") !== (message.dataset.day !== before)) message.classList.toggle("starts-day");
    before = message.dataset.day;
  }
}

// What is read: up to the newest message, once it is really on the screen. Somebody who marks a message unread means it,
// until they come back to the page.
const scroller = () => document.getElementById("scroller");
const readForm = () => document.getElementById("read");
const newest = () => Number(messages().lastElementChild?.dataset.position ?? 0);
const PAUSE = 1000;
let held = false, saidAt = 0, sayingSoon;
function sayRead() {
  const form = readForm();
  // In a scroller whose column is reversed, 0 is the end.
  if (!form || held || document.hidden || scroller().scrollTop < -40 || newest() <= Number(form.dataset.read)) return;
  form.dataset.read = form.elements.position.value = newest();
  read(form.dataset.room, newest());
  count();
  // A busy room is not said to be read at each message.
  sayingSoon ??= setTimeout(() => {
    [sayingSoon, saidAt] = [null, Date.now()];
    htmx.trigger(form, "read");
  }, saidAt + PAUSE - Date.now());
}

window.addEventListener("pagehide", () => {
  if (sayingSoon) navigator.sendBeacon(readForm().action, new URLSearchParams(new FormData(readForm())));
});

// Where one left off: a line above the first message of others that is new since the page was last looked at.
function markNew() {
  const list = messages();
  let first = null;
  for (let item = list?.lastElementChild; item && Number(item.dataset.position) > Number(list.dataset.read); item = item.previousElementSibling)
    if (item.dataset.author !== composer()?.dataset.author) first = item;
  for (const old of document.querySelectorAll(".first-new")) if (old !== first) old.classList.remove("first-new");
  first?.classList.add("first-new");
}

// The way back down, with how much there is.
function offerJump() {
  const jump = document.getElementById("jump");
  if (!jump) return;
  const unread = newest() - Number(readForm().dataset.read);
  jump.hidden = scroller().scrollTop > -200;
  jump.querySelector(".number").textContent = unread > 0 ? `${unread} new` : "To the latest";
}

function look() {
  if (!messages()) return;
  sayRead();
  markNew();
  offerJump();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && readForm() && !held) messages().dataset.read = readForm().dataset.read;
  held &&= document.hidden;
  look();
});
document.addEventListener("unread", ({ detail: { position } }) => {
  held = true;
  messages().dataset.read = readForm().dataset.read = position;
  look();
});
document.addEventListener("htmx:error", ({ target }) => {
  if (target === readForm()) target.dataset.read = 0;
});
document.addEventListener("click", (event) => {
  if (event.target.closest("#jump")) (event.preventDefault(), (scroller().scrollTop = 0));
  for (const menu of document.querySelectorAll(".message-actions")) if (!menu.contains(event.target)) menu.remove();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") for (const menu of document.querySelectorAll(".message .message-actions")) menu.remove();
});

// A page that stays open for days lets go of what it has not shown for long; scrolling up brings it back.
const MOST = 400, KEPT = 200;
function trim() {
  const list = messages(), link = document.querySelector("#older a");
  if (!link || list.children.length <= MOST || scroller().scrollTop < 0) return;
  while (list.children.length > KEPT) list.firstElementChild.remove();
  const before = `before=${list.firstElementChild.dataset.position}`;
  for (const name of ["href", "hx-get"]) link.setAttribute(name, link.getAttribute(name).replace(/before=\d*/, before));
  link.hidden = false;
}

document.addEventListener("htmx:after:swap", () => (trim(), localise(), look()));
// htmx may know of the form before all scripts are here, or after.
let isLoaded = false;
document.addEventListener("htmx:after:init", ({ target }) => isLoaded && target === readForm() && look());
document.addEventListener("DOMContentLoaded", () => {
  localise();
  const focus = messages()?.dataset.focus;
  if (focus) location.replace(`#${focus}`);
  scroller()?.addEventListener("scroll", look, { passive: true });
  isLoaded = true;
  if (readForm()?._htmx?.initialized) look();
});
