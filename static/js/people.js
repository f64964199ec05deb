// People: their names, who is online, who is typing; and that this page is being used.
import { onElement } from "./live.js";
import { me, remember } from "./messages.js";

const facesOf = (id) => `.avatar[data-person="${id}"]`;
const allFacesOf = (id) => document.querySelectorAll(`${facesOf(id)}, [data-author="${id}"] > .byline > .avatar`);

// The kept parts of rooms have the former name and face. So may have what is loading now: the latest changes are made
// again in all that comes. A new connection brings them itself, and the page may have missed later ones.
const changes = new Map(), MOST = 20;
const onChange = (kind, make) => onElement(kind, (change) => {
  document.dispatchEvent(new Event("chat:renamed"));
  remember(changes, `${kind} ${change.person}`, () => make(change), MOST)();
});
document.addEventListener("htmx:after:swap", () => changes.forEach((makeAgain) => makeAgain()));
document.addEventListener("htmx:ws:after:connection", () => changes.clear());

onChange("name", ({ person, name, initials, hue }) => {
  const names = `:is(.author, .mention, .list-name)[href="/people/${person}"], .quoted[data-by="${person}"] > b`;
  for (const each of document.querySelectorAll(names)) {
    const text = each.firstChild, after = text.data.endsWith(" (you)") ? " (you)" : "";
    text.data = (each.matches(".mention") ? "@" : "") + name + after;
  }
  for (const face of allFacesOf(person))
    [face.firstChild.data, face.className] = [initials, face.className.replace(/hue-\d+/, `hue-${hue}`)];
});

// Lazy, because a new connection repeats the faces of the last seconds, and only the last of them still exists.
onChange("face", ({ person, src: path }) => {
  for (const face of allFacesOf(person)) {
    const src = path && `${path}/${face.matches(".large") ? 256 : 96}`;
    if ((face.querySelector("img")?.getAttribute("src") ?? "") !== src)
      face.replaceChildren(face.firstChild, src && Object.assign(new Image(), { loading: "lazy", alt: "", src }));
  }
});

// The chat has another logo or colour.
onElement("look", ({ accent }) => {
  const link = document.querySelector('link[href*="/me.css?"]');
  link.href = link.href.replace(/(&c=.*)?$/, `&c=${accent}`);
  setTimeout(() => htmx.trigger("#sidebar-news", "news"), 700 * Math.random());
});

// The server tells everybody the same; a style sheet of this page puts it wherever a face or a name stands.
const sheet = new CSSStyleSheet(), idsIn = (text) => text.split(" ");
document.adoptedStyleSheets.push(sheet);

const namesOf = (id) => `:is(.author[href="/people/${id}"], .online [href="/people/${id}"] > .one-line,
  .sidebar [data-with="${id}"] > .one-line)`;

// A disc for people online, a ring for idle ones, a thin one for everybody else.
onElement("roster", ({ online, idle, statuses }) => {
  const ring = (width, ink) => `content: ""; background: var(--paper); box-shadow: inset 0 0 0 ${width} var(${ink})`;
  sheet.replaceSync(`
    .avatar[data-person]:where(:not([data-person="group"], .online .avatar))::after { ${ring("1px", "--ink-soft")} }
    :is(${idsIn(online).map(facesOf)})::after { content: ""; background: var(--good); box-shadow: none }
    :is(${idsIn(idle).map(facesOf)})::after { ${ring("2px", "--idle")} }
    ${statuses.replace(/(\S+) (\S+)/g, (_, id, emoji) => `${namesOf(id)}::after { content: "\\a0${emoji}" }`)}`);
  // The same in words, where people are listed.
  const stateOf = (id) => idsIn(online).includes(id) ? "Online" : idsIn(idle).includes(id) ? "Idle" : "Offline";
  for (const word of document.querySelectorAll("[data-presence]")) word.textContent = stateOf(word.dataset.presence);
});

// People are active if they have used a page within five minutes. A page in use reports that once a minute.
const IDLE = 300_000, TELL = 60_000, SAY = 3000;
let usedAt = document.hidden ? -Infinity : performance.now(), toldAt = usedAt, saidAt = -Infinity;
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
  (connection.url += `&me=${me}${performance.now() - usedAt < IDLE ? "&active=1" : ""}`));

// Typing is reported every three seconds. A trigger of htmx would need a filter, which the CSP forbids, to
// leave out commands, and would send the draft along. A name comes as an element whose animation ends in six seconds.
document.addEventListener("input", ({ target: { id, value } }) => {
  if (id !== "body" || !value.trim() || value.startsWith("/") || performance.now() - saidAt < SAY) return;
  saidAt = performance.now();
  navigator.sendBeacon(document.getElementById("typing").dataset.url);
});
document.addEventListener("animationend", ({ target }) => target.matches(".typist") && target.remove());
document.addEventListener("chat:leave", () => document.getElementById("typists")?.replaceChildren());

// A message ends its author's typing.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) =>
  tasks.forEach(({ fragment }) => fragment?.getElementById(`typist-${me}`)?.remove()));
document.addEventListener("chat:message", ({ detail: { from, author } }) => {
  if (!from.matches?.("#live, .outgoing")) return;
  document.getElementById(`typist-${author}`)?.remove();
  if (author === me) saidAt = -Infinity;
});
