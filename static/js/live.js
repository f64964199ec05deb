// The connection: resume where the page is, and say when it is lost. What HTML, CSS and htmx cannot do is in these
// scripts; without them, forms, links and pages still work, and only live update is missing.
"use strict";

// htmx may have begun before its extensions were here.
document.addEventListener("DOMContentLoaded", () => htmx.process(document.body));

// What one does with a message is not done later by itself, as sending is.
document.addEventListener("htmx:error", ({ target }) => {
  if (!target.closest?.(".message")) return;
  const notice = Object.assign(document.createElement("p"), { className: "notice unreached", role: "alert" });
  notice.textContent = "The server cannot be reached. Try that again in a moment.";
  document.getElementById("notice").replaceChildren(notice);
});
document.addEventListener("htmx:ws:after:connection", () => document.querySelector("#notice > .unreached")?.remove());

document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) => {
  const after = document.getElementById("messages")?.dataset.revision;
  if (after) connection.url = connection.url.replace(/after=\d+/, `after=${after}`);
});

// The room around the messages has changed: its name, who may write in it, what is pinned.
const lookAround = () => document.getElementById("room-news") && htmx.trigger("#room-news", "changed");

let live, heardAt;
document.addEventListener("htmx:ws:after:connection", ({ detail: { connection } }) => {
  if (live) lookAround();
  [live, heardAt] = [connection, Date.now()];
  delete document.documentElement.dataset.connection;
});

// The server says something every 15 seconds. After sleep or another network a socket may be dead without being told.
function doubtSilence() {
  if (!live?.socket || Date.now() - heardAt < 35_000) return;
  heardAt = Date.now();
  live.socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
}
setInterval(doubtSilence, 5000);

document.addEventListener("htmx:ws:close", ({ detail: { code } }) => {
  // Above 4000 the server has said why in a notice; 1000 is this page going away.
  if (code !== null && code !== 1000 && code < 4000) document.documentElement.dataset.connection = "lost";
});

// Who leaves or deletes the room here is told of it before the answer comes; that answer is not to be broken off.
let leaving = false;
window.addEventListener("beforeunload", () => (leaving = true));

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message } }) => {
  heardAt = Date.now();
  if (message.data.includes("<chat-news>")) lookAround();
  // One is in that room no longer, and this is a page about it.
  const left = /<chat-left data-room="(\d+)">/.exec(message.data);
  if (left && !leaving && `${location.pathname}/`.startsWith(`/rooms/${left[1]}/`)) location.assign("/");
  const cursor = /<chat-cursor data-cursor="(\d+)">/.exec(message.data);
  const messages = document.getElementById("messages");
  if (cursor && messages) messages.dataset.revision = cursor[1];
});

document.addEventListener("visibilitychange", doubtSilence);

// A page from the back/forward cache has a closed socket that htmx does not open again.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());
