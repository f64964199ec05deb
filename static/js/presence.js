// Who is here and who is writing. The server tells everybody the same; a style sheet of this page puts it wherever a face or
// a name stands, now and later. What this page tells the server is that it is being used.
"use strict";

const roster = new CSSStyleSheet();
document.adoptedStyleSheets = [...document.adoptedStyleSheets, roster];

const ROSTER = /<chat-roster data-online="([\d ]*)" data-idle="([\d ]*)" data-statuses="([^"]*)">/;
const EVERY_FACE = `.avatar[data-person]:not([data-person="group"], .online .avatar), .message > .byline > .avatar`;
const facesOf = (people) =>
  people.match(/\d+/g)?.map((id) => `.avatar[data-person="${id}"], .message[data-author="${id}"] > .byline > .avatar`) ?? [];
// A disc for who is online, a ring for who is idle, a thin one for everybody else.
const dot = (faces, style) => (faces.length ? `:is(${faces})::after { content: ""; ${style} }` : "");
const outlined = (width, colour) => `background: var(--paper); box-shadow: inset 0 0 0 ${width} var(${colour})`;
function showRoster(markup) {
  const [, online, idle, statuses] = ROSTER.exec(markup) ?? [];
  if (online === undefined) return;
  const about = [...statuses.matchAll(/(\d+) (\S+)/g)].map(
    ([, id, emoji]) => `.author[href="/people/${id}"]::after, .online [href="/people/${id}"] > .one-line::after, .sidebar [data-with="${id}"] > .one-line::after { content: "\\a0${emoji}"; }`,
  );
  const dots = [
    dot(EVERY_FACE, outlined("1px", "--ink-soft")),
    dot(facesOf(online), "background: var(--good); box-shadow: none"),
    dot(facesOf(idle), outlined("2px", "--idle")),
  ];
  roster.replaceSync([...dots, ...about].join("\n"));
  sessionStorage.setItem("roster", markup);
}
// The same in words, where people are listed.
function showWords(markup) {
  const [, online, idle] = ROSTER.exec(markup) ?? [];
  if (online === undefined) return;
  const isIn = (people, id) => people.split(" ").includes(id);
  for (const word of document.querySelectorAll("[data-presence]")) {
    const id = word.dataset.presence;
    word.textContent = isIn(online, id) ? "Online" : isIn(idle, id) ? "Idle" : "Offline";
  }
}

// As it was on the page before, until the server says how it is.
showRoster(sessionStorage.getItem("roster") ?? "");

// Somebody is active who has used a page of theirs within five minutes; that is told once a minute.
const IDLE = 300_000, TELL = 60_000;
let usedAt = document.hidden ? 0 : Date.now(), toldAt = usedAt;
function use() {
  if (document.hidden) return;
  usedAt = Date.now();
  if (usedAt - toldAt < TELL || !document.getElementById("live")) return;
  toldAt = usedAt;
  navigator.sendBeacon("/active");
}
for (const type of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove", "visibilitychange"])
  document.addEventListener(type, use, { capture: true, passive: true });
document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) => {
  const url = connection.url.replace(/[?&]active=1/, "");
  connection.url = Date.now() - usedAt < IDLE ? `${url}${url.includes("?") ? "&" : "?"}active=1` : url;
});

// Writing is told every three seconds while it goes on, and forgotten six after it was last heard of.
const SAY = 3000, FORGET = 6000;
let typedAt = 0;
document.addEventListener("input", ({ target }) => {
  if (target.id !== "body" || !target.value.trim() || target.value.startsWith("/") || Date.now() - typedAt < SAY) return;
  typedAt = Date.now();
  navigator.sendBeacon(document.getElementById("typing").dataset.url);
});

const writers = new Map();
function showWriters() {
  const place = document.querySelector("#typing > span");
  if (!place) return;
  for (const [id, { until }] of writers) if (until < Date.now()) writers.delete(id);
  const names = [...writers.values()].map(({ name }) => name);
  const many = names.length > 2 ? `${names.length} people are` : names.length > 1 ? `${names.join(" and ")} are` : `${names[0]} is`;
  const text = names.length ? `${many} writing…` : "";
  if (place.textContent !== text) place.textContent = text;
}
setInterval(() => writers.size && showWriters(), 1000);

document.addEventListener("htmx:ws:after:message:incoming", ({ detail: { message: { data } } }) => {
  showRoster(data);
  showWords(data);
  // Who has sent what they wrote writes no longer.
  for (const [, id] of data.matchAll(/data-author="(\d+)"/g)) {
    writers.delete(id);
    if (id === composer()?.dataset.author) typedAt = 0;
  }
  if (data.includes("<chat-typing")) {
    const { person, name } = new DOMParser().parseFromString(data, "text/html").querySelector("chat-typing").dataset;
    if (person !== composer()?.dataset.author) writers.set(person, { name, until: Date.now() + FORGET });
  }
  showWriters();
});
