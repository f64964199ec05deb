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
    const mine = mentionsOf(link).length, shown = isQuiet ? 0 : mine;
    const badge = link.querySelector(".badge");
    badge.hidden = unread === 0 && shown === 0;
    badge.classList.toggle("mentioned", shown > 0);
    badge.querySelector(".number").textContent = (shown ? "@" : "") + (unread < 100 ? unread || shown : "99+");
    link.classList.toggle("unread", unread > 0);
    total += unread;
    mentions += mine;
  }
  const badge = document.querySelector("#mentions .badge");
  badge.hidden = mentions === 0;
  badge.querySelector(".number").textContent = mentions;
  const title = document.getElementById("room-header")?.dataset.title ?? plainTitle;
  document.title = (total ? `(${total}) ` : "") + title;
}

// Each answers whether that is news.
function hear(link, messages) {
  if (Number(link.dataset.count) >= messages) return false;
  link.dataset.count = messages;
  const list = link.closest("[data-by=activity]"), focused = document.activeElement;
  if (list && list.firstElementChild !== link.parentElement) list.prepend(link.parentElement);
  if (focused === link) link.focus({ preventScroll: true });
  return true;
}

function mention(link, position) {
  if (link.dataset.mentions.split(" ").includes(position)) return false;
  link.dataset.mentions += ` ${position}`;
  return true;
}

function read(link, position) {
  link.dataset.read = position;
  return false;
}

function tellOf(link, apply) {
  const isMention = apply === mention, levels = isMention ? ["everything", "mentions"] : ["everything"];
  const position = isMention ? Math.max(...mentionsOf(link)) : Number(link.dataset.count);
  if (levels.includes(link.dataset.level) && position > Number(link.dataset.read)) tellSoon(link.dataset.room, { isMention, position });
}

// What is said while a list is on its way may be newer than that.
const NEWS = [
  [/<chat-activity data-room="(\d+)" data-count="(\d+)">/g, hear],
  [/<chat-read data-room="(\d+)" data-position="(\d+)">/g, read],
  [/<chat-mention data-room="(\d+)" data-position="(\d+)">/g, mention],
];
const said = new Map();
function learn(apply, room, number) {
  const key = apply === mention ? `${room} ${number}` : `${room} ${apply.name}`;
  said.set(key, { apply, room, number });
  const link = linkOf(room);
  if (link && apply(link, number)) tellOf(link, apply);
  if (link || apply === read || unlisted.has(room)) return;
  unlisted.set(room, apply);
  loadSidebar();
}

// The first message of a conversation, or of a room that was quiet for long, comes before its line in the list.
const unlisted = new Map();
let loading;
function loadSidebar() {
  clearTimeout(loading);
  loading = setTimeout(() => htmx.trigger("#sidebar-news", "news"), 300);
}

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  for (const [pattern, apply] of NEWS) for (const [, room, number] of message.data.matchAll(pattern)) {
    learn(apply, room, number);
    if (apply === read) heardRead(room, number);
  }
  if (message.data.includes("<chat-sidebar>")) loadSidebar();
  if (readForm() && messages()?.lastElementChild) learn(hear, readForm().dataset.room, newest());
  count();
});

// What happened while there was no connection.
let wasConnected = false;
document.addEventListener("htmx:ws:after:connection", () => {
  if (wasConnected) loadSidebar();
  wasConnected = true;
});
document.addEventListener("htmx:before:request", ({ detail: { ctx } }) => ctx.target?.id === "sidebar" && said.clear());
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (ctx.target?.id === "sidebar") {
    for (const { apply, room, number } of said.values()) if (linkOf(room)) apply(linkOf(room), number);
    for (const [room, apply] of unlisted) if (linkOf(room)) (unlisted.delete(room), tellOf(linkOf(room), apply));
  }
  count();
});
