// The numbers beside rooms and in the title: how many messages there are less how many are read, both told by the server.
"use strict";

const links = () => document.querySelectorAll("#sidebar a[data-room]");
const linkOf = (room) => document.querySelector(`#sidebar a[data-room="${room}"]`);
const plainTitle = document.title.replace(/^\(\d+\) /, "");

const mentionsOf = (link) => link.dataset.mentions.split(" ").filter((position) => Number(position) > link.dataset.read);

function count() {
  let total = 0, mentions = 0;
  for (const link of links()) {
    const isQuiet = ["nothing", "hidden"].includes(link.dataset.level);
    const unread = isQuiet ? 0 : Math.max(0, link.dataset.count - link.dataset.read);
    const mine = mentionsOf(link).length;
    const badge = link.querySelector(".badge");
    badge.hidden = unread === 0 && mine === 0;
    badge.classList.toggle("mentioned", mine > 0);
    badge.querySelector(".number").textContent = (mine ? "@" : "") + (unread < 100 ? unread || mine : "99+");
    link.classList.toggle("unread", unread > 0);
    total += unread;
    mentions += mine;
  }
  const badge = document.querySelector("#mentions .badge");
  badge.hidden = mentions === 0;
  badge.querySelector(".number").textContent = mentions;
  document.title = (total ? `(${total}) ` : "") + plainTitle;
}

function hear(room, messages) {
  const link = linkOf(room);
  if (!link || Number(link.dataset.count) >= messages) return;
  link.dataset.count = messages;
  if (link.dataset.level === "everything") tellSoon(link, "New messages");
  const list = link.closest("[data-by=activity]");
  list?.prepend(link.parentElement);
}

function mention(room, position) {
  const link = linkOf(room);
  if (!link || link.dataset.mentions.split(" ").includes(position)) return;
  link.dataset.mentions += ` ${position}`;
  if (link.dataset.level !== "nothing") tellSoon(link, "You are mentioned");
}

function read(room, position) {
  const link = linkOf(room);
  if (link) link.dataset.read = position;
}

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  for (const [, room, messages] of message.data.matchAll(/<hx-activity data-room="(\d+)" data-count="(\d+)">/g)) hear(room, messages);
  for (const [, room, position] of message.data.matchAll(/<hx-read data-room="(\d+)" data-position="(\d+)">/g)) read(room, position);
  for (const [, room, position] of message.data.matchAll(/<hx-mention data-room="(\d+)" data-position="(\d+)">/g)) mention(room, position);
  const here = document.querySelector("#sidebar a[data-room][aria-current]");
  if (here && messages()?.lastElementChild) hear(here.dataset.room, newest());
  count();
});

// What happened while there was no connection.
let wasConnected = false;
document.addEventListener("htmx:ws:after:connection", () => {
  if (wasConnected) htmx.ajax("GET", "/sidebar", { target: "#sidebar", swap: "outerHTML" });
  wasConnected = true;
});
document.addEventListener("htmx:after:swap", count);
