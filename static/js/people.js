// People: their names, who is online, who is typing; and that this page is being used.
import { onElement, setParameter } from "./live.js";

onElement("name", ({ person, name, initials, hue }) => {
  const authors = `a.author[href="/people/${person}"], .quoted[data-by="${person}"] > b`;
  for (const author of document.querySelectorAll(authors)) author.textContent = name;
  for (const each of document.querySelectorAll(`a.mention[href="/people/${person}"]`)) each.textContent = `@${name}`;
  for (const { firstChild } of document.querySelectorAll(`a.list-name[href="/people/${person}"]`))
    firstChild.textContent = name + (firstChild.textContent.endsWith(" (you)") ? " (you)" : "");
  const faces = `${facesOf(person)}, .message[data-author="${person}"] > .byline > .avatar`;
  for (const face of document.querySelectorAll(faces)) {
    face.textContent = initials;
    face.className = face.className.replace(/hue-\d+/, `hue-${hue}`);
  }
});

// The server tells everybody the same; a style sheet of this page puts it wherever a face or a name stands.
const sheet = new CSSStyleSheet();
document.adoptedStyleSheets.push(sheet);

const EVERY_FACE = '.avatar[data-person]:where(:not([data-person="group"], .online .avatar))';
const idsIn = (text) => text.split(" ").filter(Boolean);
const facesOf = (id) => `.avatar[data-person="${id}"]`;
const namesOf = (id) => `:is(.author[href="/people/${id}"], .online [href="/people/${id}"] > .one-line,
  .sidebar [data-with="${id}"] > .one-line)`;

// A disc for people online, a ring for idle ones, a thin one for everybody else.
const dot = (faces, style) => (faces.length ? `:is(${faces})::after { content: ""; ${style} }` : "");
const outlined = (width, colour) => `background: var(--paper); box-shadow: inset 0 0 0 ${width} var(${colour})`;

function showRoster({ online, idle, statuses }) {
  const words = idsIn(statuses), rules = [
    dot(EVERY_FACE, outlined("1px", "--ink-soft")),
    dot(idsIn(online).map(facesOf), "background: var(--good); box-shadow: none"),
    dot(idsIn(idle).map(facesOf), outlined("2px", "--idle")),
  ];
  // Ids and emoji take turns.
  for (let at = 0; at < words.length; at += 2)
    rules.push(`${namesOf(words[at])}::after { content: "\\a0${words[at + 1]}"; }`);
  sheet.replaceSync(rules.join("\n"));
}

// The same in words, where people are listed.
function showWords({ online, idle }) {
  for (const word of document.querySelectorAll("[data-presence]")) {
    const isIn = (ids) => idsIn(ids).includes(word.dataset.presence);
    word.textContent = isIn(online) ? "Online" : isIn(idle) ? "Idle" : "Offline";
  }
}

onElement("roster", (roster) => {
  showRoster(roster);
  showWords(roster);
  sessionStorage.setItem("presence", JSON.stringify(roster));
});
// As it was on the page before, until the server says how it is.
const before = sessionStorage.getItem("presence");
if (before) showRoster(JSON.parse(before));

// Somebody is active who has used a page of theirs within five minutes; that is told once a minute.
const IDLE = 300_000, TELL = 60_000;
let usedAt = document.hidden ? -Infinity : performance.now(), toldAt = usedAt;
function use() {
  if (document.hidden) return;
  usedAt = performance.now();
  if (usedAt - toldAt < TELL || !document.getElementById("live")) return;
  toldAt = usedAt;
  navigator.sendBeacon("/active");
}
for (const type of ["pointermove", "pointerdown", "keydown", "wheel", "touchmove", "visibilitychange"])
  document.addEventListener(type, use, { capture: true, passive: true });
document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) =>
  setParameter(connection, "active", performance.now() - usedAt < IDLE && "1"));

// Typing is told every three seconds while it goes on, and forgotten six after it was last heard of. A trigger of htmx
// would need a filter, which the CSP forbids, to leave out commands, and would send the draft along.
const SAY = 3000, FORGET = 6000;
const { me } = document.documentElement.dataset;
let typedAt = -Infinity;
document.addEventListener("input", ({ target: { id, value } }) => {
  if (id !== "body" || !value.trim() || value.startsWith("/") || performance.now() - typedAt < SAY) return;
  typedAt = performance.now();
  navigator.sendBeacon(document.getElementById("typing").dataset.url);
});

const typists = new Map();
function showTypists() {
  const place = document.querySelector("#typing > span");
  if (!place) return;
  for (const [id, { until }] of typists) if (until < performance.now()) typists.delete(id);
  const names = [...typists.values()].map(({ name }) => name);
  const subject = names.length > 2 ? `${names.length} people` : names.join(" and ");
  const text = names.length ? `${subject} ${names.length > 1 ? "are" : "is"} typing…` : "";
  if (place.textContent !== text) place.textContent = text;
}
setInterval(() => typists.size && showTypists(), 1000);

onElement("typing", ({ person, name }) => {
  if (person !== me) typists.set(person, { name, until: performance.now() + FORGET });
  showTypists();
});
// A message ends its author's typing.
document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  if (!ctx.sourceElement?.matches?.("#live, .outgoing")) return;
  for (const { fragment } of tasks) for (const { dataset } of fragment?.querySelectorAll(".message") ?? []) {
    typists.delete(dataset.author);
    if (dataset.author === me) typedAt = -Infinity;
  }
  showTypists();
});
