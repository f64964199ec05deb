// Switching rooms: only the part around the conversation is fetched, as soon as the pointer comes to a link; sidebar
// and socket stay. Browsers without the Navigation API, and failures, load whole pages.
import { box } from "./composer.js";
import { tellUnreached } from "./live.js";
import { letGo, messages, scroller } from "./messages.js";

const PART = /^\/(list$|rooms\/\d+(\/messages\/\d+)?$)/;
const isPart = ({ origin, pathname }) => origin === location.origin && PART.test(pathname);
const addressOf = ({ pathname, search }) => pathname + search;
const lineOf = ({ pathname }) => document.querySelector(`#sidebar a[data-room="${pathname.split("/")[2]}"]`);

// The parts of the rooms seen last, and those fetched ahead. The socket brings what they have had since. After many new
// messages a part is fetched, which shows the first of them; the socket brings nothing to others, such as the past.
const MOST_KEPT = 8, FEW = 20, FRESH = 5000;
const kept = new Map();
function keep(address, part) {
  kept.delete(address);
  kept.set(address, part);
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
}

function isCurrent(main, url) {
  if (!main.querySelector("#room-news")) return Date.now() - main.dataset.at < FRESH;
  const { position = 0 } = main.querySelector("#messages").lastElementChild?.dataset ?? {};
  return lineOf(url)?.dataset.count - position <= FEW;
}

for (const type of ["chat:renamed", "htmx:ws:after:connection"])
  document.addEventListener(type, () => kept.clear());

function partOf(url) {
  const address = addressOf(url), known = kept.get(address);
  if (known instanceof Promise || (known && isCurrent(known, url))) return known;
  const part = load(address);
  const settle = (main) => kept.get(address) === part && (main ? kept.set(address, main) : kept.delete(address));
  keep(address, part);
  part.then(settle, () => settle());
  return part;
}

async function load(address) {
  const at = Date.now();
  const answer = await fetch(address, { headers: { "X-Part": "main" }, signal: AbortSignal.timeout(8000) });
  if (!answer.ok || answer.redirected) throw new Error(`${address} is no part of this page`);
  const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  Object.assign(main.dataset, { at, address });
  return main;
}

// A mouse that only passes by fetches nothing; a finger or a key that has come down wants the page.
const PATIENCE = 65;
let soon;
function prefetch({ target, type }) {
  const link = target.closest?.("a[href]");
  clearTimeout(soon);
  if (window.navigation && link && isPart(link) && link.href !== location.href)
    soon = setTimeout(partOf, type === "pointerdown" ? 0 : PATIENCE, link);
}
for (const type of ["pointerover", "pointerdown", "focusin"]) document.addEventListener(type, prefetch);

// A sidebar on its way may be of the room that was left.
function markCurrent() {
  for (const link of document.querySelectorAll("#sidebar a[aria-current]")) link.removeAttribute("aria-current");
  if (lineOf(location)) lineOf(location).ariaCurrent = "page";
}
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.target?.id === "sidebar" && isPart(location)) markCurrent();
}, true);

// A room is kept as a page would show it, with the messages that fill it: each costs time when it comes back.
const main = () => document.getElementById("main");
main().dataset.address = addressOf(location);
function leave() {
  const { children, lastElementChild } = messages() ?? {}, enough = scroller()?.clientHeight + 600;
  document.dispatchEvent(new Event("chat:leave"));
  document.querySelector("dialog[open]")?.close();
  document.querySelector(":popover-open")?.hidePopover();
  if (!main().querySelector("#room-news")) return;
  letGo([...children].filter(({ offsetTop }) => lastElementChild.offsetTop - offsetTop < enough).length);
  for (const each of document.querySelectorAll("#outbox > li")) each.remove();
  if (box()) box().value = "";
  main().dataset.at = Date.now();
  keep(main().dataset.address, main());
}

function put(part, { pathname, hash }) {
  const [, , room] = pathname.split("/");
  markCurrent();
  main().replaceWith(part);
  htmx.process(part);
  htmx.trigger(part, "htmx:after:swap", { ctx: { target: part } });
  document.body.classList.toggle("at-home", !room);
  document.getElementById("drafts").checked = false;
  if (room) document.cookie = `room=${room}; path=/; max-age=31536000; samesite=lax`;
  if (room && !lineOf(location)) htmx.trigger("#sidebar-news", "news");
  if (!hash) document.getElementById(messages()?.dataset.focus)?.scrollIntoView();
  document.dispatchEvent(new Event("chat:enter"));
  // Once the room is painted.
  requestAnimationFrame(() => setTimeout(() => {
    const writesAtOnce = matchMedia("(pointer: fine)").matches && box();
    (writesAtOnce || main()).focus({ preventScroll: true });
  }));
}

// Where the browser can wait for the part, the address changes together with the page.
const WAITS = "NavigationPrecommitController" in window;
let isWhole = false, latest;
window.navigation?.addEventListener("navigate", (event) => {
  const url = new URL(event.destination.url);
  const isOther = !event.canIntercept || event.hashChange || event.formData || event.downloadRequest !== null;
  if (isWhole || isOther || event.navigationType === "reload" || !isPart(url) || !isPart(location)) return;
  const part = partOf(url), waits = WAITS && event.cancelable && part instanceof Promise;
  latest = event;
  const show = (found) => {
    if (latest !== event) return;
    leave();
    put(found, url);
  };
  event.intercept({
    focusReset: "manual",
    ...(waits && { precommitHandler: () => part }),
    handler: async () => show(await part),
  });
  if (part instanceof Promise) part.catch((error) => {
    if (latest !== event) return;
    if (waits && error instanceof TypeError) return tellUnreached();
    isWhole = true;
    location.assign(url);
  });
});
