// The numbers beside rooms and in the title: how many messages there are less how many are read, both told by the server.
"use strict";

const links = () => document.querySelectorAll("#sidebar a[data-room]");
const linkOf = (room) => document.querySelector(`#sidebar a[data-room="${room}"]`);
const plainTitle = document.title.replace(/^\(\d+\) /, "");

function count() {
  let total = 0;
  for (const link of links()) {
    const unread = Math.max(0, link.dataset.count - link.dataset.read);
    const badge = link.querySelector(".badge");
    badge.hidden = unread === 0;
    badge.querySelector(".number").textContent = unread < 100 ? unread : "99+";
    link.classList.toggle("unread", unread > 0);
    total += unread;
  }
  document.title = (total ? `(${total}) ` : "") + plainTitle;
}

function hear(room, messages) {
  const link = linkOf(room);
  if (!link || Number(link.dataset.count) >= messages) return;
  link.dataset.count = messages;
  const list = link.closest("[data-by=activity]");
  list?.prepend(link.parentElement);
}

function read(room, position) {
  const link = linkOf(room);
  if (link) link.dataset.read = position;
}

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  for (const [, room, messages] of message.data.matchAll(/<hx-activity data-room="(\d+)" data-count="(\d+)">/g)) hear(room, messages);
  for (const [, room, position] of message.data.matchAll(/<hx-read data-room="(\d+)" data-position="(\d+)">/g)) read(room, position);
  const here = document.querySelector("#sidebar a[data-room][aria-current]");
  if (here && messages()?.lastElementChild) hear(here.dataset.room, newest());
  count();
});

// This page need not wait to be told what it says itself.
document.addEventListener("read", ({ target }) => {
  read(target.dataset.room, target.dataset.read);
  count();
});

// What happened while there was no connection.
let wasConnected = false;
document.addEventListener("htmx:ws:after:connection", () => {
  if (wasConnected) htmx.ajax("GET", "/sidebar", { target: "#sidebar", swap: "outerHTML" });
  wasConnected = true;
});
document.addEventListener("htmx:after:swap", count);
