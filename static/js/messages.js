// The list of messages: times in the reader's own zone, actions, and never an older version for a newer.

export const messages = () => document.getElementById("messages");
export const scroller = () => document.getElementById("scroller");
const rows = () => [...(messages()?.children ?? [])];
document.cookie = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`;

// In the zone and by the clock that the reader has chosen, else the browser's, which need not know every zone.
const chosen = document.documentElement.dataset;
function formatOf(style, timeZone = chosen.timeZone) {
  const options = { ...style, timeZone: timeZone || undefined, hourCycle: chosen.hourCycle || undefined };
  try {
    return new Intl.DateTimeFormat(undefined, options);
  } catch {
    return formatOf(style, "");
  }
}

// Formats and the days that have a name, until midnight or another choice.
let format, days, madeFor;
let isOld = false;
function areNew() {
  const choice = `${chosen.timeZone} ${chosen.hourCycle}`, wasOld = isOld;
  isOld = false;
  if (choice === madeFor && days[format.day.format(Date.now())] === "Today") return wasOld;
  madeFor = choice;
  format = {
    clock: formatOf({ timeStyle: "short" }),
    day: formatOf({ dateStyle: "full" }),
    full: formatOf({ dateStyle: "medium", timeStyle: "medium" }),
    dayAndClock: formatOf({ dateStyle: "full", timeStyle: "short" }),
  };
  const today = format.day.format(Date.now());
  let before = Date.now();
  while (format.day.format(before) === today) before -= 3_600_000;
  days = { [today]: "Today", [format.day.format(before)]: "Yesterday" };
  return true;
}

function showTimes() {
  const isAnew = areNew();
  for (const time of document.querySelectorAll(isAnew ? "time[data-moment]" : 'time[data-moment=""]')) {
    time.textContent = format.dayAndClock.format(new Date(time.dateTime));
    time.dataset.moment = "shown";
  }
  let before = null;
  for (const message of rows()) {
    const time = message.querySelector("time");
    if (time?.title.endsWith(" UTC") || (isAnew && message.dataset.at)) showMoment(message, time);
    message.classList.toggle("starts-day", message.dataset.day !== before);
    before = message.dataset.day;
  }
}

function showMoment(message, time) {
  const moment = new Date(message.dataset.at), day = format.day.format(moment);
  time.textContent = format.clock.format(moment);
  time.title = format.full.format(moment);
  message.dataset.day = days[day] ?? day;
}

// One bar of actions for all messages, at the row under the mouse or the keyboard. Its ⋯ opens a menu beside it.
export const bar = () => document.getElementById("bar");
export const menu = () => document.getElementById("menu");
export const here = () => document.querySelector(".message[data-here]");
export const shown = (found) => [...found].filter((each) => each.checkVisibility());
const isFree = () => bar() && !document.querySelector("#menu:popover-open, dialog[open]");

export function pointAt(message) {
  if (here() !== message) here()?.removeAttribute("data-here");
  const isHidden = message?.matches(".deleted, :has(.editor)") ?? true;
  if (isHidden && bar().contains(document.activeElement)) message?.focus();
  bar().hidden = isHidden;
  if (!message || here() === message) return;
  message.dataset.here = "";
  // Older browsers, such as Firefox 140, put nothing at an anchor.
  if (!CSS.supports("anchor-name: --here")) bar().style.top = `${message.offsetTop - 18}px`;
  for (const each of bar().querySelectorAll("*")) for (const { name, value } of each.attributes)
    if (/\d/.test(value)) each.setAttribute(name, value.replace(/(messages\/|#m-)\d+/, `$1${message.id.slice(2)}`));
}

const hovered = () => document.querySelector("#messages > :hover") ?? (bar().matches(":hover") ? here() : null);
function focused() {
  const at = document.activeElement;
  return bar().contains(at) ? here() : at.matches(":focus-visible") ? at.closest("#messages > li") : null;
}
document.addEventListener("pointerover", () => isFree() && pointAt(hovered() ?? focused()), { passive: true });
document.addEventListener("focusin", () => isFree() && pointAt(focused() ?? hovered()));

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (!ctx.target || ctx.target !== menu()) return;
  ctx.target.showPopover({ source: ctx.sourceElement });
  shown(ctx.target.querySelectorAll("input, .action"))[0]?.focus();
});
document.addEventListener("click", (event) => {
  const { target } = event, more = target.closest("#messages .more");
  const STAYS = "[hx-target='#menu'], [data-copy], [popovertarget]";
  if (target.closest(`#menu :is(a, button):not(${STAYS})`)) menu().hidePopover();
  if (!more || !bar()) return;
  event.preventDefault();
  openMenu(more.parentElement);
});
export function openMenu(message) {
  pointAt(message);
  bar().querySelector(".more").click();
}

// A finger that rests on a message opens its menu as a sheet. Links, code and the editor keep what the browser does.
let resting, start, isHeld = false;
const touched = ({ target, pointerType }) =>
  pointerType === "touch" && !target.closest("a, button, pre, .editor") && bar() && target.closest("#messages > li");
document.addEventListener("pointerdown", (event) => {
  [start, isHeld] = [event, false];
  if (touched(event)) resting = setTimeout(hold, 500, touched(event), event.pointerId);
});
function hold(message, pointer) {
  isHeld = true;
  openMenu(message);
  // Lifted outside the sheet, the finger would close it.
  menu().setPointerCapture(pointer);
}
for (const type of ["pointermove", "pointerup", "pointercancel"]) document.addEventListener(type, ({ x, y }) => {
  if (type !== "pointermove" || Math.hypot(x - start?.x, y - start?.y) > 10) clearTimeout(resting);
});
// Lifted on the sheet, it would press what has come under it.
document.addEventListener("touchend", (event) => isHeld && event.preventDefault(), { passive: false });
document.addEventListener("contextmenu", (event) => touched(event) && event.preventDefault());

// The day of the uppermost message stays in sight, unless its own separator is.
function showDay() {
  const label = document.getElementById("day"), { top } = scroller()?.getBoundingClientRect() ?? {};
  const row = rows().find((each) => each.getBoundingClientRect().bottom > top + 40);
  if (!label) return;
  label.hidden = !row || (row.matches(".starts-day") && row.getBoundingClientRect().top > top - 36);
  label.dataset.day = row?.dataset.day ?? "";
}
document.addEventListener("scroll", ({ target }) => target === scroller() && showDay(), true);
setInterval(showTimes, 60_000);

// Older pages are shown, not read out.
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  if (!["older", "newer"].includes(ctx.target?.id)) return;
  const log = messages().parentElement;
  log.ariaLive = "off";
  setTimeout(() => (log.ariaLive = "polite"), 1000);
});

// A page that stays open for days lets go of what it has not shown for long; scrolling up brings it back.
const MOST = 400, KEPT = 200;
export function letGo(kept) {
  const list = messages(), link = document.querySelector("#older a");
  if (!link || list.children.length <= kept || list.querySelector(".editor")) return;
  while (list.children.length > kept) list.firstElementChild.remove();
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
  const editor = shown.querySelector(".editor"), isLeaving = editor?.contains(source);
  if (editor && !isLeaving) {
    waiting.set(fresh.id, version);
    return null;
  }
  waiting.delete(fresh.id);
  return !isLeaving && newer(shown, version) === shown ? null : version;
}

// An answer shows the beginning of its original as that is now.
export function quote(place, original) {
  const body = original.querySelector(".body").cloneNode(true);
  for (const each of body.querySelectorAll("blockquote, small, button")) each.remove();
  place.firstElementChild.textContent = original.querySelector(".author").textContent;
  place.lastChild.data = ` ${body.textContent.replace(/\s+/g, " ").trim().slice(0, 140)}`;
  place.dataset.revision = original.dataset.revision;
}

function requote(place, original) {
  if (Number(original?.dataset.revision) > Number(place.dataset.revision)) quote(place, original);
}

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  for (const task of [...tasks]) {
    for (const fresh of task.fragment?.querySelectorAll(".message") ?? []) {
      const shown = document.getElementById(fresh.id);
      if (!shown && !task.target) keepUnseen(fresh);
      const version = shown ? versionFor(shown, fresh, ctx.sourceElement) : newer(fresh, unseen.get(fresh.id));
      for (const place of document.querySelectorAll(`.quoted[href$="#${fresh.id}"]`)) requote(place, fresh);
      for (const place of version?.querySelectorAll("a.quoted") ?? []) {
        const id = place.getAttribute("href").split("#")[1];
        for (const each of [unseen.get(id), waiting.get(id)]) requote(place, each);
      }
      if (version) fresh.replaceWith(version);
      else fresh.remove();
      if (!task.fragment.childElementCount) tasks.splice(tasks.indexOf(task), 1);
    }
  }
});

// What is typed into an editor outlives the page.
const editors = () => [...document.querySelectorAll(".message .editor textarea")];
let opened = [];
// A room that comes back has the times of then.
document.addEventListener("chat:leave", () => {
  [opened, isOld] = [[], true];
  if (bar()) pointAt();
});
document.addEventListener("input", ({ target }) => {
  if (editors().includes(target)) sessionStorage.setItem(target.id, target.value);
});
function keepEditors() {
  const open = editors();
  for (const box of open) if (!opened.includes(box)) box.value = sessionStorage.getItem(box.id) ?? box.value;
  for (const { id } of opened) if (!open.some((box) => box.id === id)) sessionStorage.removeItem(id);
  opened = open;
}

function tidy() {
  showTimes();
  showDay();
}
document.addEventListener("htmx:after:swap", () => {
  keepEditors();
  if (rows().length > MOST && scroller().scrollTop >= -40) letGo(KEPT);
  tidy();
  if (isFree()) pointAt(here());
});
tidy();
if (messages()?.dataset.focus) location.replace(`#${messages().dataset.focus}`);
