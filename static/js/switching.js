// Switching rooms: only the part around the conversation is fetched, as soon as the pointer comes to a link; sidebar
// and socket stay. Browsers without the Navigation API, and failures, load whole pages.
import { box } from "./composer.js";
import { tellUnreached } from "./live.js";
import { messages } from "./messages.js";

const PART = /^\/(list$|rooms\/\d+(\/messages\/\d+)?$)/;
const FRESH = 5000, PATIENCE = 65;
const isPart = ({ origin, pathname }) => origin === location.origin && PART.test(pathname);

let fetched = {};
function fetchPart({ pathname, search }) {
  const address = pathname + search;
  if (fetched.address === address && performance.now() - fetched.at < FRESH) return fetched.html;
  fetched = { address, at: performance.now(), html: load(address) };
  fetched.html.catch(() => (fetched = {}));
  return fetched.html;
}

async function load(address) {
  const answer = await fetch(address, { headers: { "X-Part": "main" }, signal: AbortSignal.timeout(8000) });
  if (!answer.ok || answer.redirected) throw new Error(`${address} is no part of this page`);
  return answer.text();
}

// A mouse that only passes by fetches nothing; a finger or a key that has come down wants the page.
let soon;
function prefetch({ target, type }) {
  const link = target.closest?.("a[href]");
  clearTimeout(soon);
  if (window.navigation && link && isPart(link) && link.href !== location.href)
    soon = setTimeout(() => fetchPart(link).catch(() => {}), type === "pointerdown" ? 0 : PATIENCE);
}
for (const type of ["pointerover", "pointerdown", "focusin"]) document.addEventListener(type, prefetch);

// A sidebar on its way may be of the room that was left.
function markCurrent() {
  const [, , room] = location.pathname.split("/"), line = document.querySelector(`#sidebar a[data-room="${room}"]`);
  for (const link of document.querySelectorAll("#sidebar a[aria-current]")) link.removeAttribute("aria-current");
  if (line) line.ariaCurrent = "page";
  return line;
}
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.target?.id === "sidebar" && isPart(location)) markCurrent();
}, true);

async function show({ pathname, hash }, part) {
  const html = await part;
  if (latest !== part) return;
  fetched = {};
  document.dispatchEvent(new Event("chat:leave"));
  document.querySelector("dialog[open]")?.close();
  document.querySelector(":popover-open")?.hidePopover();
  const main = document.getElementById("main"), [, , room] = pathname.split("/");
  const isListed = markCurrent();
  await htmx.swap({ sourceElement: document.body, target: main, swap: "outerHTML", text: html });
  if (latest !== part) return;
  document.body.classList.toggle("at-home", !room);
  document.getElementById("drafts").checked = false;
  if (room) document.cookie = `room=${room}; path=/; max-age=31536000; samesite=lax`;
  if (room && !isListed) htmx.trigger("#sidebar-news", "news");
  if (!hash) document.getElementById(messages()?.dataset.focus)?.scrollIntoView();
  document.dispatchEvent(new Event("chat:enter"));
  const writesAtOnce = matchMedia("(pointer: fine)").matches && box();
  (writesAtOnce || document.getElementById("main")).focus({ preventScroll: true });
}

// Where the browser can wait for the part, the address changes together with the page.
const WAITS = "NavigationPrecommitController" in window;
let isWhole = false, latest;
window.navigation?.addEventListener("navigate", (event) => {
  const url = new URL(event.destination.url), waits = WAITS && event.cancelable;
  const isOther = !event.canIntercept || event.hashChange || event.formData || event.downloadRequest !== null;
  if (isWhole || isOther || event.navigationType === "reload" || !isPart(url) || !isPart(location)) return;
  const html = fetchPart(url);
  latest = html;
  event.intercept({
    focusReset: "manual",
    ...(waits && { precommitHandler: () => html }),
    handler: () => show(url, html),
  });
  html.catch((error) => {
    if (latest !== html) return;
    if (waits && error instanceof TypeError) return tellUnreached();
    isWhole = true;
    location.assign(url);
  });
});
