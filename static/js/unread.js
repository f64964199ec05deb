// Unread messages: their number beside each room and in the title. A message is read once it is really on the screen;
// after "Mark unread" only when its reader comes to the room again or writes in it.
import { afterPaint, onElement } from "./live.js";
import { me, messages, scroller } from "./messages.js";

const linkOf = (room) => document.querySelector(`#sidebar a[data-room="${room}"]`);
const above = (read, positions) => positions.split(" ").filter((each) => Number(each) > read);
const mentionsOf = ({ dataset: { mentions, read } }) => above(read, mentions);
const unreadIn = ({ dataset: { count, read, deleted } }) => Math.max(0, count - read - above(read, deleted).length);

// The same text, set once more, would be laid out once more.
const say = (element, text) => element.textContent === text || (element.textContent = text);
const showBadge = (badge, number) => say(badge.querySelector(".number"), number < 100 ? `${number || ""}` : "99+");

function showCounts() {
  let total = 0, mentions = 0, elsewhere = 0, calls = 0;
  for (const link of document.getElementById("sidebar").querySelectorAll("a[data-room]")) {
    const { level } = link.dataset, isQuiet = ["nothing", "hidden"].includes(level), mine = mentionsOf(link).length;
    const unread = isQuiet ? 0 : unreadIn(link), called = isQuiet ? 0 : mine;
    const wanted = level === "mentions" ? mine : unread, [count, mention] = link.querySelectorAll(".badge");
    showBadge(count, unread);
    showBadge(mention, called);
    link.classList.toggle("unread", unread > 0);
    // A sidebar that comes late may mark the room that was left.
    link.ariaCurrent = `${location.pathname}/`.startsWith(`${link.pathname}/`) ? "page" : null;
    [total, mentions] = [total + wanted, mentions + mine];
    if (!link.ariaCurrent) [elsewhere, calls] = [elsewhere + wanted, calls + called];
  }
  const back = document.querySelector(".back > .badge"), main = document.getElementById("main");
  if (back) showBadge(back, calls || elsewhere);
  back?.classList.toggle("mentioned", calls > 0);
  showBadge(document.querySelector("#mentions .badge"), mentions);
  title = (total ? `(${total}) ` : "") + (main.querySelector("#room-header") ?? main).dataset.title;
  afterPaint(() => (document.title = title));
}

// Drafts and messages that wait, which composer.js stores.
function showUnsent() {
  const keys = Object.keys(localStorage);
  for (const { dataset } of document.querySelectorAll("#sidebar a[data-room]")) {
    const has = (kind) => keys.some((key) => key.startsWith(`${kind}:${me}:${dataset.room}:`));
    dataset.unsent = has("outbox") ? "Not sent" : has("draft") ? "Draft" : "";
  }
}
window.addEventListener("storage", showUnsent);
showUnsent();

// Each returns whether that is new to this page.
const kinds = {
  activity(link, count) {
    if (Number(link.dataset.count) >= count) return false;
    link.dataset.count = count;
    const hadFocus = document.activeElement === link;
    link.closest("[data-by=activity] > :not(:first-child)")?.parentElement.prepend(link.parentElement);
    if (hadFocus) link.focus({ preventScroll: true });
    return true;
  },
  mention({ dataset }, position) {
    if (dataset.mentions.split(" ").includes(String(position))) return false;
    dataset.mentions += ` ${position}`;
    return true;
  },
  read: (link, position) => link.setAttribute("data-read", position),
};

function notify(link, kind) {
  const { room, level, count, read } = link.dataset, isMention = kind === "mention";
  const position = isMention ? Math.max(...mentionsOf(link)) : Number(count);
  const isWanted = level === "everything" || (isMention && level === "mentions");
  if (!isWanted || position <= Number(read)) return;
  // Not while the page is left, or the server away.
  import("./notifications.js").then((module) => module.notifySoon(room, { isMention, position }), () => {});
}

// News that come while the list is loading may be newer than it, and are applied to it again. The first message of a
// conversation, or of a room that was quiet for long, comes before its line in the list, and waits for that.
const heard = new Map(), loadSidebar = () => htmx.trigger("#sidebar-news", "news");
function learn(kind, room, number) {
  const key = `${room} ${kind} ${kind === "mention" && number}`;
  heard.set(key, { kind, room, number, isUnlisted: heard.get(key)?.isUnlisted });
  apply(heard.get(key));
}

function apply(news) {
  const { kind, room, number, isUnlisted } = news, link = linkOf(room);
  news.isUnlisted = !link && kind !== "read";
  if (link && (kinds[kind](link, number) || isUnlisted)) notify(link, kind);
  if (news.isUnlisted && !isUnlisted) loadSidebar();
}

onElement("activity", ({ room, count }) => learn("activity", room, Number(count)));
onElement("mention", ({ room, position }) => learn("mention", room, Number(position)));
// Another page of the same reader has shown more. What it marks unread stays as this page shows it. A lower position
// than this page has reported is from before that, until the report has come back.
onElement("read", ({ room, position }) => {
  const form = readForm(), isShown = form?.dataset.room === room, isLate = isShown && !isHeld && position < reported;
  if (!isLate) learn("read", room, Number(position));
  document.dispatchEvent(new CustomEvent("chat:read", { detail: { room, position } }));
  if (isShown && !isLate) [form.dataset.read, reported] = [Math.max(form.dataset.read, position), 0];
});
onElement("sidebar", loadSidebar);

const readForm = () => document.getElementById("read");
const newest = () => Number(messages().lastElementChild?.dataset.position ?? 0);
let isHeld = false, hasLooked = false, reported = 0, latest, title;
// In a scroller whose column is reversed, 0 is the end.
const isInView = () => readForm() && !isHeld && !document.hidden && scroller().scrollTop >= -40;

function leave() {
  const form = readForm();
  if (form) messages().dataset.read = form.dataset.read;
  // Messages that a busy room has shown since are not reported yet.
  if (form && form.elements.position.value !== form.dataset.said)
    navigator.sendBeacon(form.action, new URLSearchParams(new FormData(form)));
  [isHeld, hasLooked, reported] = [false, false, 0];
}
for (const type of ["pagehide", "chat:leave"]) window.addEventListener(type, leave, true);

// A line above the first message of others that is new since the page was last looked at.
function markNew() {
  const rows = [...messages().children], read = Number(messages().dataset.read);
  const first = rows.find(({ dataset }) => Number(dataset.position) > read && dataset.author !== me);
  for (const row of rows) row.classList.toggle("first-new", row === first);
}

// A page opens at the line when that is on it; else its pointer leads there, and goes when the line is in view.
function showLine() {
  const line = document.querySelector(".first-new"), pointer = document.getElementById("first-unread");
  if (messages().dataset.opens) line?.scrollIntoView({ block: "start" });
  delete messages().dataset.opens;
  const isLine = Number(line?.dataset.position) <= Number(pointer?.dataset.read) + 1;
  if (isLine && line.getBoundingClientRect().bottom > scroller().getBoundingClientRect().top) pointer.remove();
}

function look() {
  const form = readForm(), link = form && linkOf(form.dataset.room), jump = document.getElementById("jump");
  if (!messages()) return;
  // The line moves to what comes while its reader is elsewhere, or has scrolled up from the end, but not to that line.
  const isMissed = hasLooked && newest() > latest && !isInView() && !document.getElementById("first-unread");
  latest = newest();
  if (form && !isHeld && (document.hidden || isMissed)) messages().dataset.read = form.dataset.read;
  if (!hasLooked) markNew();
  showLine();
  // A message that arrives while its reader watches the list is not new, unless an earlier message is new.
  if (hasLooked && isInView() && !document.querySelector(".first-new")) messages().dataset.read = newest();
  // Messages of the time when the reader was elsewhere, or the connection away, may still be missing. Later the number
  // of messages may be known before they come, which their reader sees coming.
  hasLooked ||= Boolean(form) && newest() >= (link?.dataset.count ?? 0);
  if (isInView() && newest() > Number(form.dataset.read)) {
    form.dataset.read = form.elements.position.value = reported = newest();
    learn("read", form.dataset.room, newest());
    showCounts();
    htmx.trigger(form, "read");
  }
  markNew();
  if (!form) return;
  // The button that leads back down, with the number of new messages.
  jump.hidden = scroller().scrollTop > -200;
  say(jump.querySelector(".number"), (link && unreadIn(link)) > 0 ? `${unreadIn(link)} new` : "To the latest");
}

document.addEventListener("visibilitychange", look);
document.addEventListener("htmx:ws:after:connection", () => (hasLooked = false));
const isUnread = (ctx) => ctx?.request?.action.endsWith("/unread");
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (ctx.target?.id === "sidebar") heard.forEach(({ isUnlisted }, key) => isUnlisted || heard.delete(key));
  if (ctx.sourceElement === readForm()) readForm().dataset.said = readForm().elements.position.value;
  isHeld ||= isUnread(ctx);
  // No position that waits to be reported takes it back.
  if (isUnread(ctx) && readForm()) readForm().elements.position.value = 0;
});
document.addEventListener("unread", ({ detail: { position } }) => {
  if (!readForm()) return;
  messages().dataset.read = readForm().dataset.read = readForm().elements.position.value = position;
  look();
});
for (const type of ["htmx:error", "htmx:response:error"]) document.addEventListener(type, ({ target, detail }) => {
  if (target === readForm()) target.dataset.read = 0;
  if (isUnread(detail.ctx)) isHeld = false;
});
// The author of a message has read the messages above it.
document.addEventListener("chat:composed", () => {
  isHeld = false;
  messages().dataset.read = newest();
  // The text that was sent need not wait for the layout of the page.
  requestAnimationFrame(() => scroller()?.scrollTo(0, 0));
  document.getElementById("first-unread")?.remove();
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.target?.id === "sidebar") heard.forEach(apply);
  if (readForm() && messages()?.lastElementChild) learn("activity", readForm().dataset.room, newest());
  if (["sidebar", "main"].includes(ctx.target?.id)) showUnsent();
  // A message that is read at once is never shown as unread.
  look();
  if (document.getElementById("sidebar")) showCounts();
});
document.addEventListener("scroll", ({ target }) => target === scroller() && look(), true);
// htmx takes the page over after the modules have run.
document.addEventListener("htmx:after:process", ({ target }) => target === document.body && look());
