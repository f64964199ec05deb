// The list of messages: times in the reader's own zone, a menu each, and never an older version for a newer.
import { onElement } from "./live.js";

export const messages = () => document.getElementById("messages");
export const scroller = () => document.getElementById("scroller");

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
const formats = () => ({
  clock: formatOf({ timeStyle: "short" }),
  day: formatOf({ dateStyle: "full" }),
  full: formatOf({ dateStyle: "medium", timeStyle: "medium" }),
  dayAndClock: formatOf({ dateStyle: "full", timeStyle: "short" }),
});
let format = formats();

function showTimes(isAnew) {
  for (const time of document.querySelectorAll(isAnew ? "time[data-moment]" : 'time[data-moment=""]')) {
    time.textContent = format.dayAndClock.format(new Date(time.dateTime));
    time.dataset.moment = "shown";
  }
  let before = null;
  for (const message of messages()?.children ?? []) {
    const time = message.querySelector("time");
    if (time?.title.endsWith(" UTC") || (isAnew && message.dataset.at)) showMoment(message, time);
    const startsDay = message.dataset.day !== before;
    if (message.classList.contains("starts-day") !== startsDay) message.classList.toggle("starts-day");
    before = message.dataset.day;
  }
}

function showMoment(message, time) {
  const moment = new Date(message.dataset.at);
  time.textContent = format.clock.format(moment);
  time.title = format.full.format(moment);
  message.dataset.day = format.day.format(moment);
}

onElement("times", (chosen) => {
  for (const name of ["timeZone", "hourCycle"]) {
    if (chosen[name]) document.documentElement.dataset[name] = chosen[name];
    else delete document.documentElement.dataset[name];
  }
  format = formats();
  showTimes(true);
});

// A menu is a row of its message, which a popover would lift out of the list: it closes as popovers do.
const menus = () => document.querySelectorAll(".message .message-actions");
document.addEventListener("click", ({ target }) => {
  // A question of the menu is asked in a dialog.
  if (target.closest("dialog")) return;
  for (const menu of menus()) if (!menu.contains(target)) menu.remove();
});
document.addEventListener("keydown", ({ key, target }) => {
  if (key !== "Escape" || target.closest("dialog")) return;
  for (const menu of menus()) {
    if (menu.contains(document.activeElement)) menu.parentElement.querySelector(".more").focus();
    menu.remove();
  }
});

// Older pages are shown, not read out.
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

// New versions of messages while they are edited here, and of some that this page may fetch any moment.
const waiting = new Map(), unseen = new Map(), MOST_UNSEEN = 500;
const newer = (one, other) => (Number(other?.dataset.revision) > Number(one.dataset.revision) ? other : one);

function keepUnseen(fresh) {
  unseen.delete(fresh.id);
  unseen.set(fresh.id, fresh);
  if (unseen.size > MOST_UNSEEN) unseen.delete(unseen.keys().next().value);
}

// An answer to this page may be overtaken by what somebody else did after it; their order is in the revisions.
function versionFor(shown, fresh, source) {
  const version = newer(fresh, waiting.get(fresh.id));
  const editor = shown.querySelector(".editor"), menu = shown.querySelector(".message-actions");
  const isLeaving = editor?.contains(source), isAnswered = menu?.contains(source);
  if (editor && !isLeaving) {
    waiting.set(fresh.id, version);
    return null;
  }
  waiting.delete(fresh.id);
  if (isAnswered) menu.remove();
  if (!isLeaving && newer(shown, version) === shown) return null;
  if (menu && !isAnswered && !version.matches(".deleted")) {
    // htmx would focus the autofocus element again when the menu is inserted.
    menu.querySelector("[autofocus]")?.removeAttribute("autofocus");
    version.append(menu);
  }
  return version;
}

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  for (const task of [...tasks]) {
    for (const fresh of task.fragment?.querySelectorAll(".message") ?? []) {
      const shown = document.getElementById(fresh.id);
      if (!shown && !task.target) keepUnseen(fresh);
      const version = shown ? versionFor(shown, fresh, ctx.sourceElement) : newer(fresh, unseen.get(fresh.id));
      if (version) fresh.replaceWith(version);
      else fresh.remove();
      if (!task.fragment.childElementCount) tasks.splice(tasks.indexOf(task), 1);
    }
  }
});

// What is typed into an editor outlives the page.
const editors = () => [...document.querySelectorAll(".message .editor textarea")];
let opened = [];
document.addEventListener("input", ({ target }) => {
  if (editors().includes(target)) sessionStorage.setItem(target.id, target.value);
});
function keepEditors() {
  const open = editors();
  for (const menu of document.querySelectorAll(".message:has(.editor) > .message-actions")) menu.remove();
  for (const box of open) if (!opened.includes(box)) box.value = sessionStorage.getItem(box.id) ?? box.value;
  for (const { id } of opened) if (!open.some((box) => box.id === id)) sessionStorage.removeItem(id);
  opened = open;
}

document.addEventListener("htmx:after:swap", () => {
  keepEditors();
  trim();
  showTimes();
});
showTimes();
if (messages()?.dataset.focus) location.replace(`#${messages().dataset.focus}`);
