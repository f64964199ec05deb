// The list of messages: times in the reader's own zone, actions, and never an older version for a newer.

export const messages = () => document.getElementById("messages"), scroller = () => document.getElementById("scroller");
const rows = () => [...(messages()?.children ?? [])];
document.cookie = `zone=${Intl.DateTimeFormat().resolvedOptions().timeZone}; path=/; max-age=31536000; samesite=lax`;

// In the zone and by the clock that the reader has chosen, else the browser's, which need not know every zone.
const chosen = document.documentElement.dataset, formats = new Map();
export const { me } = chosen;
function format(moment, style, timeZone = chosen.timeZone) {
  const options = { ...style, timeZone: timeZone || undefined, hourCycle: chosen.hourCycle || undefined };
  const key = JSON.stringify(options);
  try {
    if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(undefined, options));
  } catch {
    return format(moment, style, "");
  }
  return formats.get(key).format(moment);
}

// Each time holds the day and the choices it was shown for: after midnight, or another choice, it is shown anew.
const DAY = { dateStyle: "full" };
export function showTimes(main = document) {
  const today = format(Date.now(), DAY), shown = `${chosen.timeZone} ${chosen.hourCycle} ${today}`;
  let before = Date.now();
  while (format(before, DAY) === today) before -= 3_600_000;
  const days = { [today]: "Today", [format(before, DAY)]: "Yesterday" };
  for (const time of main.querySelectorAll(`time:not([data-shown="${shown}"]):is([data-moment], .message *)`)) {
    const moment = new Date(time.dateTime), message = time.closest(".message"), day = format(moment, DAY);
    time.dataset.shown = shown;
    time.textContent = format(moment, { dateStyle: message ? undefined : "full", timeStyle: "short" });
    if (!message) continue;
    time.title = format(moment, { dateStyle: "medium", timeStyle: "medium" });
    message.dataset.day = days[day] ?? day;
  }
  for (const message of main.querySelectorAll("#messages > li"))
    message.classList.toggle("starts-day", message.dataset.day !== message.previousElementSibling?.dataset.day);
}

// One bar of actions for all messages, at the row under the mouse or the keyboard. Its ⋯ opens a menu beside it.
export const bar = () => document.getElementById("bar"), menu = () => document.getElementById("menu");
export const here = () => document.querySelector(".message[data-here]");
export const shown = (found) => [...found].filter((each) => each.checkVisibility());
const isFree = () => bar() && !menu().matches(":popover-open") && !document.querySelector("dialog[open]");

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

export const rowOf = (element) => (bar()?.contains(element) ? here() : element?.closest("#messages > li"));
const hovered = () => rowOf(document.querySelector("#messages > :hover") ?? document.querySelector("#bar:hover"));
const focused = () => rowOf(document.querySelector("#bar :focus, :focus-visible"));
document.addEventListener("pointerover", () => isFree() && pointAt(hovered() ?? focused()), { passive: true });
document.addEventListener("focusin", () => isFree() && pointAt(focused() ?? hovered()));

document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (!ctx.target || ctx.target !== menu()) return;
  ctx.target.showPopover({ source: ctx.sourceElement });
  shown(ctx.target.querySelectorAll("input, .action"))[0]?.focus();
});
export function openMenu(message) {
  pointAt(message);
  bar().querySelector(".more").click();
}

// A finger that rests on a message opens its menu as a sheet. Links, code and the editor do as the browser does.
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
  // A finger that is lifted outside the sheet would close it.
  menu().setPointerCapture(pointer);
}
for (const type of ["pointermove", "pointerup", "pointercancel"]) document.addEventListener(type, ({ x, y }) =>
  (type !== "pointermove" || Math.hypot(x - start?.x, y - start?.y) > 10) && clearTimeout(resting));
// A finger that is lifted on the sheet would press the button that has come under it.
document.addEventListener("touchend", (event) => isHeld && event.preventDefault(), { passive: false });
document.addEventListener("contextmenu", (event) => touched(event) && event.preventDefault());

// The day of the uppermost message stays in sight, unless its own separator is. Few messages are below it, mostly.
function showDay() {
  const label = document.getElementById("day"), { top } = scroller()?.getBoundingClientRect() ?? {};
  const all = rows(), row = all[all.findLastIndex((each) => each.getBoundingClientRect().bottom <= top + 40) + 1];
  if (!label) return;
  label.hidden = !row || (row.matches(".starts-day") && row.getBoundingClientRect().top > top - 36);
  label.dataset.day = row?.dataset.day ?? "";
}
document.addEventListener("scroll", ({ target }) => target === scroller() && showDay(), true);
setInterval(showTimes, 60_000);

// Screen readers do not read older pages out.
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  if (!["older", "newer"].includes(ctx.target?.id)) return;
  const log = messages().parentElement;
  log.ariaLive = "off";
  setTimeout(() => (log.ariaLive = "polite"), 1000);
});

// Old messages go, since each makes every new one a little slower to paint; scrolling up brings them back. A page keeps
// what fills its window twice, and what is new to its reader, and some before that.
const kept = () => Math.min(330, Math.max(80, innerHeight / 12, document.querySelectorAll(".first-new ~ li").length));
export function letGo(most, main = document) {
  const list = main.querySelector("#messages"), link = main.querySelector("#older a");
  if (!link || list.children.length <= most || list.querySelector(".editor")) return;
  while (list.children.length > most) list.firstElementChild.remove();
  const before = `before=${list.firstElementChild.dataset.position}`;
  for (const name of ["href", "hx-get"]) link.setAttribute(name, link.getAttribute(name).replace(/before=\d*/, before));
  link.hidden = false;
}

// An answer to this page may be overtaken by what somebody else did after it; their order is in the revisions. The page
// keeps the newest versions it has received, also of messages that are edited here or that it may fetch any moment.
const versions = new Map(), MOST_VERSIONS = 500;
const newer = (one, other) => (Number(other?.dataset.revision) > Number(one.dataset.revision) ? other : one);

// Sets an entry of a map that keeps the latest ones.
export function remember(map, key, value, most) {
  map.delete(key);
  if (map.set(key, value).size > most) map.delete(map.keys().next().value);
  return value;
}

// An answer shows the beginning of its original as that is now.
export function quote(place, original) {
  if (newer(place, original) === place) return;
  const body = original.querySelector(".body").cloneNode(true);
  for (const each of body.querySelectorAll("blockquote, small, button")) each.remove();
  place.firstElementChild.textContent = original.querySelector(".author").textContent;
  place.lastChild.data = ` ${body.textContent.replace(/\s+/g, " ").trim().slice(0, 140)}`;
  place.dataset.revision = original.dataset.revision;
}

const isLater = ({ id }, at, all) => id.slice(2) > Number((all[at - 1] ?? rows().at(-1))?.id.slice(2) ?? 0);
document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  for (const task of [...tasks]) for (const fresh of task.fragment?.querySelectorAll(".message") ?? []) {
    document.dispatchEvent(new CustomEvent("chat:message", { detail: { from: ctx.sourceElement, ...fresh.dataset } }));
    if (!fresh.matches(".deleted, :has(> .more)")) fresh.insertAdjacentHTML("beforeend",
      `<a class="more" href="/messages/${fresh.id.slice(2)}/actions" aria-label="Actions">⋯</a>`);
    const shown = document.getElementById(fresh.id), editor = shown?.querySelector(".editor");
    const version = remember(versions, fresh.id, newer(fresh, versions.get(fresh.id)), MOST_VERSIONS);
    const stays = editor ? !editor.contains(ctx.sourceElement) : shown && newer(shown, version) === shown;
    for (const place of document.querySelectorAll(`.quoted[href$="#${fresh.id}"]`)) quote(place, fresh);
    for (const place of version.querySelectorAll("a.quoted"))
      quote(place, versions.get(place.getAttribute("href").split("#")[1]));
    fresh.replaceWith(...(stays ? [] : [version.cloneNode(true)]));
    if (!task.fragment.childElementCount) tasks.splice(tasks.indexOf(task), 1);
  }
  // The search for a place goes through all messages. Those that follow the last one need none.
  for (const { fragment, swapSpec } of tasks)
    if (swapSpec?.style === "upsert" && [...fragment.children].every(isLater)) swapSpec.style = "beforeend";
});

// Text in an editor outlives the page until the edit is cancelled or saved; saving makes another revision. Most
// actions close their menu.
const EDITOR = ".message .editor textarea", STAYS = "[hx-target='#menu'], [data-copy], [popovertarget]";
document.addEventListener("input", ({ target: at }) => at.matches(EDITOR) && sessionStorage.setItem(at.id, at.value));
document.addEventListener("click", ({ target }) => {
  if (target.matches(".editor-buttons > a")) sessionStorage.removeItem(target.closest("form").elements.body.id);
  if (target.closest(`#menu :is(a, button):not(${STAYS})`)) menu().hidePopover();
});
// A room that comes back has no row under the mouse.
document.addEventListener("chat:leave", () => bar() && pointAt());

function refresh() {
  for (const box of document.querySelectorAll(EDITOR)) box.value = sessionStorage.getItem(box.id) ?? box.value;
  if (rows().length > 150 && scroller().scrollTop >= -40) letGo(kept() + 20);
  showTimes();
  requestAnimationFrame(showDay);
  if (isFree()) pointAt(here());
}
document.addEventListener("htmx:after:swap", refresh);
refresh();
if (messages()?.dataset.focus) location.replace(`#${messages().dataset.focus}`);
