// The list of messages: times in the reader's own zone and language, menus, and what is too much.
"use strict";

const messages = () => document.getElementById("messages");

// In the zone and by the clock that the reader has chosen, else the browser's, which need not know every zone.
document.cookie = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`;
function formatOf(style) {
  const { timeZone, hourCycle } = document.documentElement.dataset;
  try {
    return new Intl.DateTimeFormat(undefined, { ...style, timeZone, hourCycle });
  } catch {
    return new Intl.DateTimeFormat(undefined, { ...style, hourCycle });
  }
}
let clock, day, full, dayAndClock;
function chooseFormats() {
  clock = formatOf({ timeStyle: "short" });
  day = formatOf({ dateStyle: "full" });
  full = formatOf({ dateStyle: "medium", timeStyle: "medium" });
  dayAndClock = formatOf({ dateStyle: "full", timeStyle: "short" });
}
chooseFormats();
function localise(anew = false) {
  for (const time of document.querySelectorAll(anew ? "time[data-moment]" : 'time[data-moment=""]')) {
    time.textContent = dayAndClock.format(new Date(time.dateTime));
    time.dataset.moment = "shown";
  }
  let before = null;
  for (const message of messages()?.children ?? []) {
    const time = message.querySelector("time");
    if (time?.title.endsWith(" UTC") || (anew && message.dataset.at)) {
      const moment = new Date(message.dataset.at);
      time.textContent = clock.format(moment);
      time.title = full.format(moment);
      message.dataset.day = day.format(moment);
    }
    if (message.classList.contains("starts-day") !== (message.dataset.day !== before)) message.classList.toggle("starts-day");
    before = message.dataset.day;
  }
}

document.addEventListener("click", (event) => {
  // What the menu asks about is asked in a dialog.
  if (event.target.closest("dialog")) return;
  for (const menu of document.querySelectorAll(".message .message-actions")) if (!menu.contains(event.target)) menu.remove();
});
document.addEventListener("keydown", (event) => {
  const menu = event.key === "Escape" && !event.target.closest("dialog") && document.querySelector(".message .message-actions");
  if (!menu) return;
  if (menu.contains(document.activeElement)) placeIn(menu.parentElement).focus();
  menu.remove();
});

// What was said before is shown, not said again.
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  if (!["older", "newer"].includes(ctx.target?.id)) return;
  const log = messages().parentElement;
  log.ariaLive = "off";
  setTimeout(() => (log.ariaLive = "polite"), 1000);
});

// A page that stays open for days lets go of what it has not shown for long; scrolling up brings it back.
const MOST = 400, KEPT = 200;
function trim() {
  const list = messages(), link = document.querySelector("#older a");
  if (!link || list.children.length <= MOST || scroller().scrollTop < -40 || list.querySelector(".editor")) return;
  while (list.children.length > KEPT) list.firstElementChild.remove();
  const before = `before=${list.firstElementChild.dataset.position}`;
  for (const name of ["href", "hx-get"]) link.setAttribute(name, link.getAttribute(name).replace(/before=\d*/, before));
  link.hidden = false;
}

document.addEventListener("htmx:after:swap", () => (trim(), localise(), look()));
document.addEventListener("times-changed", () => (chooseFormats(), localise(true)));
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
