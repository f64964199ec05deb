// Switching rooms: only the part around the conversation is fetched, as soon as the pointer comes to a link; sidebar
// and socket stay. Browsers without the Navigation API, and failures, load whole pages.
import { box } from "./composer.js";
import { afterPaint, tellUnreached } from "./live.js";
import { letGo, messages, remember, scroller, showTimes } from "./messages.js";

const PART = /^\/(list$|rooms\/\d+(\/messages\/\d+)?$)/;
const isPart = ({ origin, pathname }) => origin === location.origin && PART.test(pathname);
const addressOf = ({ pathname, search }) => pathname + search, roomOf = ({ pathname }) => pathname.split("/")[2];
const lineOf = (url) => document.querySelector(`#sidebar a[data-room="${roomOf(url)}"]`);

// The rooms seen last, and parts fetched ahead. The socket brings newer messages. After many of them a
// part is fetched, which shows the first of them. The past gets nothing from the socket.
const MOST_KEPT = 8, FEW = 20, FRESH = 5000, kept = new Map();
function keep(address, part) {
  part.then((main) => (part.main = main), () => kept.delete(address));
  return remember(kept, address, part, MOST_KEPT);
}
for (const type of ["chat:renamed", "htmx:ws:after:connection"]) document.addEventListener(type, () => kept.clear());

function isCurrent({ main }, url) {
  if (!main?.querySelector("#room-news")) return !main || Date.now() - main.dataset.at < FRESH;
  const { position = 0 } = main.querySelector("#messages").lastElementChild?.dataset ?? {};
  return lineOf(url)?.dataset.count - position <= FEW;
}

function partOf(url) {
  const address = addressOf(url), known = kept.get(address);
  return known && isCurrent(known, url) ? known : keep(address, load(address));
}

async function load(address) {
  const at = Date.now();
  const answer = await fetch(address, { headers: { "X-Part": "main" }, signal: AbortSignal.timeout(8000) });
  if (!answer.ok || answer.redirected) throw new Error(`${address} is no part of this page`);
  const main = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("main");
  main.dataset.at = at;
  showTimes(main);
  return document.adoptNode(main);
}

// A mouse that only passes by fetches nothing; a finger or a key that has come down wants the page.
let due, shown = addressOf(location);
function prefetch({ target, type }) {
  const link = target.closest?.("a[href]");
  clearTimeout(due);
  if (!link || !isPart(link)) return;
  // An address in a message: the server does not know by which of its names it is reached.
  link.removeAttribute("target");
  if (window.navigation && link.href !== location.href) due = setTimeout(partOf, type === "pointerdown" ? 0 : 65, link);
}
for (const type of ["pointerover", "pointerdown", "focusin"]) document.addEventListener(type, prefetch);

function show(part, url) {
  const old = document.getElementById("main"), { clientHeight, scrollHeight } = scroller() ?? {};
  // More messages than about fill the screen would take time whenever the room comes back.
  const enough = (messages()?.childElementCount * (clientHeight + 600)) / scrollHeight;
  document.dispatchEvent(new Event("chat:leave"));
  document.querySelector("dialog[open]")?.close();
  document.querySelector(":popover-open")?.hidePopover();
  if (box()) box().value = "";
  old.dataset.at = Date.now();
  if (old.querySelector("#room-news")) keep(shown, Promise.resolve(old));
  shown = addressOf(url);
  old.replaceWith(part);
  // A part that was kept has its behaviour already.
  if (!part.querySelector("[data-htmx-powered]")) htmx.process(part);
  htmx.trigger(part, "htmx:after:swap", { ctx: { target: part } });
  document.getElementById("drafts").checked = false;
  if (roomOf(url) && !lineOf(url)) htmx.trigger("#sidebar-news", "news");
  if (!url.hash) document.getElementById(messages()?.dataset.focus)?.scrollIntoView();
  afterPaint(() => {
    if (roomOf(url)) document.cookie = `room=${roomOf(url)}; path=/; max-age=31536000; samesite=lax`;
    if (!old.isConnected) letGo(enough, old);
    ((matchMedia("(pointer: fine)").matches && box()) || part).focus({ preventScroll: true });
  });
}

// Where the browser can wait for the part, the address changes together with the page.
window.navigation?.addEventListener("navigate", (event) => {
  const url = new URL(event.destination.url), isOther = !event.canIntercept || event.hashChange || event.formData;
  if (event.info || isOther || event.navigationType === "reload" || !isPart(url) || !isPart(location)) return;
  const part = partOf(url);
  part.catch((error) => {
    const isUnreached = error instanceof TypeError && location.href !== url.href;
    event.signal.aborted || (isUnreached ? tellUnreached() : navigation.navigate(url.href, { info: "as a whole" }));
  });
  event.intercept({
    focusReset: "manual",
    ...(event.cancelable && { precommitHandler: () => part }),
    // A connection that the server has ended comes back only with a whole page.
    handler: () => part.then((found) => event.signal.aborted ||
      (document.querySelector("[data-connection=closed]") ? location.reload() : show(found, url))),
  });
});
