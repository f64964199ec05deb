// What is read: up to the newest message, once it is really on the screen. Somebody who marks a message unread means it,
// until they come to the room again or write in it.
"use strict";

const scroller = () => document.getElementById("scroller");
const readForm = () => document.getElementById("read");
const newest = () => Number(messages().lastElementChild?.dataset.position ?? 0);
const PAUSE = 1000;
let held = false, saidAt = 0, sayingSoon;
// In a scroller whose column is reversed, 0 is the end.
const isInView = () => readForm() && !held && !document.hidden && scroller().scrollTop >= -40;
function sayRead() {
  const form = readForm();
  if (!isInView() || newest() <= Number(form.dataset.read)) return;
  form.dataset.read = form.elements.position.value = newest();
  learn(read, form.dataset.room, newest());
  count();
  // A busy room is not said to be read at each message.
  sayingSoon ??= setTimeout(() => {
    [sayingSoon, saidAt] = [undefined, Date.now()];
    htmx.trigger(form, "read");
  }, saidAt + PAUSE - Date.now());
}

// Another of one's pages has shown more. What it marks unread stays as this page shows it.
function heardRead(room, position) {
  const form = readForm();
  if (form?.dataset.room !== room || Number(form.dataset.read) >= position) return;
  form.dataset.read = position;
  if (document.hidden) messages().dataset.read = position;
  look();
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

// What comes while one looks on is not new, unless something before it is; nor is anything above what one writes.
let hasLooked = false;
const noneIsNew = () => (messages().dataset.read = newest());
function keepUp() {
  if (hasLooked && isInView() && !document.querySelector(".first-new")) noneIsNew();
  hasLooked = Boolean(readForm());
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
  keepUp();
  sayRead();
  markNew();
  offerJump();
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && readForm() && messages() && !held) messages().dataset.read = readForm().dataset.read;
  look();
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => {
  if (!ctx.request.action.endsWith("/unread")) return;
  held = true;
  sayingSoon = clearTimeout(sayingSoon);
});
document.addEventListener("unread", ({ detail: { position } }) => {
  if (!readForm()) return;
  messages().dataset.read = readForm().dataset.read = position;
  look();
});
for (const type of ["htmx:error", "htmx:response:error"]) document.addEventListener(type, ({ target, detail: { ctx } }) => {
  if (target === readForm()) target.dataset.read = 0;
  if (ctx?.request?.action.endsWith("/unread")) held = false;
});
document.addEventListener("click", (event) => {
  if (event.target.closest("#jump")) (event.preventDefault(), (scroller().scrollTop = 0));
});
