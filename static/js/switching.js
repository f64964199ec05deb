// Switching rooms: only the part around the conversation is fetched, as soon as the pointer comes to a link; sidebar
// and socket stay. Browsers without the Navigation API, and failures, load whole pages.
import { box } from "./composer.js";
import { tellUnreached } from "./live.js";
import { messages } from "./messages.js";

const PART = /^\/(list$|rooms\/\d+(\/messages\/\d+)?$)/;
const FRESH = 5000, PATIENCE = 65;
const isPart = ({ origin, pathname }) => origin === location.origin && PART.test(pathname);

// The rooms seen last are kept, and shown at once; the socket brings what they have had since. After many new messages
// a part is fetched, which shows the first of them.
const MOST_KEPT = 8, FEW = 20, REPEATED = 9000;
const kept = new Map();
let shown = location.pathname + location.search;
const lineOf = ({ pathname }) => document.querySelector(`#sidebar a[data-room="${pathname.split("/")[2]}"]`);

function keep(main) {
  for (const each of main.querySelectorAll("#outbox > li")) each.remove();
  if (main.querySelector("#body")) main.querySelector("#body").value = "";
  kept.delete(shown);
  kept.set(shown, { main, at: performance.now() });
  if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
}

function keptOf(url) {
  const found = kept.get(url.pathname + url.search);
  const { position = 0 } = found?.main.querySelector("#messages").lastElementChild?.dataset ?? {};
  return found && lineOf(url)?.dataset.count - position <= FEW ? Promise.resolve(found) : null;
}
document.addEventListener("chat:renamed", () => kept.clear());

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
  if (window.navigation && link && isPart(link) && link.href !== location.href && !keptOf(link))
    soon = setTimeout(() => fetchPart(link).catch(() => {}), type === "pointerdown" ? 0 : PATIENCE);
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

async function put(content) {
  const { main, at } = content, old = document.getElementById("main"), place = main ?? old.cloneNode();
  old.replaceWith(place);
  if (old.querySelector("#room-news")) keep(old);
  if (main) htmx.trigger(main, "htmx:after:swap", { ctx: { target: main } });
  else await htmx.swap({ sourceElement: document.body, target: place, swap: "outerHTML", text: content });
  if (performance.now() - at > REPEATED) htmx.trigger("#room-news", "changed");
}

async function show(url, part) {
  const content = await part, { pathname, search, hash } = url;
  if (latest !== part) return;
  fetched = {};
  document.dispatchEvent(new Event("chat:leave"));
  document.querySelector("dialog[open]")?.close();
  document.querySelector(":popover-open")?.hidePopover();
  markCurrent();
  await put(content);
  shown = pathname + search;
  kept.delete(shown);
  if (latest !== part) return;
  const [, , room] = pathname.split("/");
  document.body.classList.toggle("at-home", !room);
  document.getElementById("drafts").checked = false;
  if (room) document.cookie = `room=${room}; path=/; max-age=31536000; samesite=lax`;
  if (room && !lineOf(url)) htmx.trigger("#sidebar-news", "news");
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
  const part = keptOf(url) ?? fetchPart(url);
  latest = part;
  event.intercept({
    focusReset: "manual",
    ...(waits && { precommitHandler: () => part }),
    handler: () => show(url, part),
  });
  part.catch((error) => {
    if (latest !== part) return;
    if (waits && error instanceof TypeError) return tellUnreached();
    isWhole = true;
    location.assign(url);
  });
});
