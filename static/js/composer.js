// Sending. Enter moves the text of the box to the outbox: forms under the messages that post themselves, in order. Each
// is kept in localStorage until the server has accepted it; those of other rooms are sent from a hidden list.
import { me, messages, quote } from "./messages.js";

export const composer = () => document.getElementById("composer"), box = () => document.getElementById("body");
const outbox = () => document.getElementById("outbox"), elsewhere = () => document.getElementById("elsewhere");

// A UUID without its dashes. crypto.randomUUID() is not there over plain http, and toHex() not in browsers of 2024.
export const newId = () => crypto.getRandomValues(new Uint8Array(32)).reduce((id, n) => id + (n % 16).toString(16), "");

export function insert(text, start, end) {
  box().setRangeText(text, start, end, "end");
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

// The storage holds the draft of each room and the messages that wait; of their files only the number (files.js).
const tell = (act, item) => document.dispatchEvent(new CustomEvent(`chat:${act}`, { detail: item.dataset }));
const keyOf = (kind, element) => `${kind}:${me}:${element.dataset.room}:`;
function store(key, value) {
  if (!value) return localStorage.removeItem(key);
  try {
    localStorage.setItem(key, value);
  } catch {
    // The browser's storage is full: this is kept in the page alone.
  }
}

const keepDraft = () => store(keyOf("draft", composer()), box().value);
document.addEventListener("input", ({ target }) => target === box() && keepDraft());

// The messages of all rooms, in the order in which they were written; those that are refused wait for their author.
const items = () => [...document.querySelectorAll(".unsent")];
const hasFiles = (item) => item.querySelectorAll(".attachment.whole").length >= item.dataset.files;
const queue = () => items().filter((item) => item.dataset.state !== "refused" && hasFiles(item));
const queueOf = (room) => queue().filter(({ dataset }) => dataset.room === room);
const itemOf = (key) => items().find(({ dataset }) => dataset.key === key), OF_FILES = ["file", "upload", "alt"];
const textsIn = (form) => Object.fromEntries([...new FormData(form)].filter(([name]) => !OF_FILES.includes(name)));
const formOf = (item) => item.querySelector("form"), fieldsOf = (item) => textsIn(formOf(item));
const reasonOf = (item) => item.querySelector(".why").firstChild?.textContent ?? "";
const inputOf = ([name, value]) => Object.assign(document.createElement("input"), { type: "hidden", name, value });
const tokenOf = ({ client_id }) => client_id.slice(0, 12);

// Another page may be sending a message that is found in the storage.
function show(key, { fields, why, files = 0 }, wait = 3000) {
  const item = document.getElementById("outgoing").content.firstElementChild.cloneNode(true), form = formOf(item);
  const [, , room] = key.split(":");
  Object.assign(item.dataset, { key, room, client: tokenOf(fields), files, due: performance.now() + wait });
  item.querySelector(".body > p").textContent = fields.body;
  for (const each of form.querySelectorAll("[popovertarget]")) each.popoverTargetElement = form.lastElementChild;
  form.setAttribute("hx-post", `/rooms/${room}/messages`);
  form.append(...Object.entries(fields).map(inputOf));
  if (why) say(item, "refused", why);
  place(item);
  window.htmx?.process(item);
  if (files) import("./files.js").catch(() => {});
  return item;
}

function place(item) {
  const { room, key } = item.dataset, list = room === outbox()?.dataset.room ? outbox() : elsewhere();
  const last = messages()?.lastElementChild, at = last?.querySelector("time")?.dateTime;
  // As the server will group them.
  outbox()?.classList.toggle("continues", last?.dataset.author === me && Date.now() - Date.parse(at) < 300_000);
  if (item.parentElement === list) return;
  quote(item.querySelector(".quoted"), originalOf(fieldsOf(item)));
  list.insertBefore(item, [...list.children].find(({ dataset }) => dataset.room === room && dataset.key > key) ?? null);
}
const keep = (item, { key, state, files } = item.dataset) =>
  store(key, JSON.stringify({ fields: fieldsOf(item), why: state === "refused" && reasonOf(item), files }));

function drop(item) {
  localStorage.removeItem(item.dataset.key);
  item.remove();
  tell("dropped", item);
  return fieldsOf(item);
}

// Not by an attribute: htmx gives an element the attributes of its markup once more, some time after the swap.
let restored;
document.addEventListener("chat:leave", () => (restored = null));
document.addEventListener("chat:leave", () => elsewhere().append(...items()));
function restore() {
  if (composer() && composer() !== restored) {
    restored = composer();
    // The box may have text already: kept by the browser, or typed before this could run.
    const draft = localStorage.getItem(keyOf("draft", composer())) ?? "", there = box().value;
    if (!there.startsWith(draft)) box().value = draft.startsWith(there) ? draft : `${draft}\n${there}`;
    const answered = localStorage.getItem(keyOf("reply", composer()));
    if (answered) replyTo(answered);
  }
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(`outbox:${me}:`)).sort()) {
    const kept = JSON.parse(localStorage.getItem(key)), token = tokenOf(kept.fields);
    if (messages()?.querySelector(`[data-author="${me}"][data-client="${token}"]`)) localStorage.removeItem(key);
    else if (!itemOf(key)) show(key, kept);
  }
  items().forEach(place);
}

document.addEventListener("submit", (event) => {
  if (event.target !== composer() || !outbox()) return;
  event.preventDefault();
  // Files may be chosen before their module runs, and go with the message.
  if ([...composer().elements.file].some(({ value }) => value))
    return import("./files.js").then(() => event.target.requestSubmit(), () => {});
  const files = document.getElementById("attached").childElementCount;
  if (!box().value.trim() && !files) return;
  const [head] = queueOf(outbox().dataset.room), last = outbox().lastElementChild?.dataset.key.split(/[:-]/)[3] ?? 0;
  const client_id = newId(), key = `${keyOf("outbox", outbox())}${Math.max(Date.now(), Number(last) + 1)}-${client_id}`;
  const item = show(key, { fields: { ...textsIn(composer()), client_id }, files }, 0);
  tell("composed", item);
  if (head?.dataset.state) say(item, "waiting", head.dataset.until ? BEHIND : reasonOf(head));
  keep(item);
  insert("", 0, box().value.length);
  replyTo("");
  go(event);
});

// Only the first of a room is ever in flight: the next must not overtake it when it fails.
const BEHIND = "Waiting for the message before it.", SOON = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
function go({ type } = {}) {
  for (const item of items()) item.querySelector(".when").textContent = whenIsSent(item.dataset);
  const heads = new Map(queue().reverse().map((item) => [item.dataset.room, item]));
  for (const { dataset: { until, due }, lastElementChild: form } of heads.values())
    if (performance.now() > Math.max(until, type ? 0 : due)) window.htmx?.trigger(form, "send");
}
for (const type of ["online", "chat:uploaded", "htmx:ws:after:connection"]) window.addEventListener(type, go, true);

function say(item, state, why, until) {
  Object.assign(item.dataset, { state, until: until || "" });
  if (why !== reasonOf(item)) item.querySelector(".why").textContent = why;
  return item;
}

export const refuse = (item, why) => keep(say(item, "refused", why));
function whenIsSent({ state, until }) {
  const seconds = Math.max(0, Math.ceil((until - performance.now()) / 1000));
  const when = seconds > 180 ? SOON.format(Math.ceil(seconds / 60), "minute") : SOON.format(seconds, "second");
  return until && `${state === "refused" ? "You can send it" : "It is sent"} ${when}.`;
}
setInterval(go, 1000);

document.addEventListener("htmx:finally:request", ({ detail: { ctx: { sourceElement, response, hx } } }) => {
  const item = sourceElement.closest?.(".unsent"), { status, headers } = response ?? {};
  // After a sign-out the page is loaded again.
  if (!item || hx?.refresh) return;
  const seconds = Number(headers?.get("Retry-After")), until = seconds && performance.now() + 1000 * seconds;
  const why = response ? reasonOf(item) || "The server has a problem." : "Waiting for the connection.";
  // After more than a minute, a message sent automatically would surprise its author.
  const isRefused = status >= 400 && status < 500 && !(status === 429 && seconds <= 60);
  item.dataset.due = performance.now() + 1500 + 1500 * Math.random();
  // An accepted message is gone by now, unless its answer leads elsewhere.
  if (hx?.redirect) drop(item);
  else if (isRefused) keep(say(item, "refused", why, until));
  else if (item.isConnected) for (const each of queueOf(item.dataset.room))
    say(each, "waiting", until && each !== item ? BEHIND : why, each === item && until);
  go();
});
// The answer is about another room than the page shows, unless the page has just lost its room.
document.addEventListener("htmx:after:request", (event) => {
  const { response, sourceElement } = event.detail.ctx, item = sourceElement.closest?.(".unsent");
  if (!item || outbox()?.contains(item) || response.status >= 400) return;
  const isLeft = response.headers.has("HX-Redirect") && location.pathname === `/rooms/${item.dataset.room}`;
  if (!isLeft) event.preventDefault();
  drop(item);
});

// The answer and the frame of the socket come in any order; the first replaces the waiting message.
document.addEventListener("chat:message", ({ detail: { author, client } }) =>
  author === me && items().filter(({ dataset }) => dataset.client === client).forEach(drop));
document.addEventListener("htmx:after:swap", restore);

const acts = {
  discard: drop,
  retry: (item) => keep(say(item, "", "")),
  edit(item) {
    tell("recomposed", item);
    const { body, reply_to } = drop(item);
    replyTo(reply_to ?? "");
    insert(box().value ? `${body}\n` : body, 0, 0);
  },
};
document.addEventListener("click", (event) => {
  const button = event.target.closest(".unsent button"), item = button?.closest("li");
  if (!acts[button?.value]) return;
  if (button.value !== "retry" && formOf(item).matches(".htmx-request")) htmx.trigger(formOf(item), "htmx:abort");
  // A text that looks like a command is sent as a message.
  if (button.name) formOf(item).append(inputOf([button.name, "message"]));
  const goesOn = button.value === "edit" || button.matches(":focus-visible");
  acts[button.value](item);
  if (goesOn) box()?.focus();
  go(event);
});

// A message is sent by the page in which its author wrote it, or by this page if that page is closed.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (key?.startsWith(`outbox:${me}:`)) {
    itemOf(key)?.remove();
    if (newValue) show(key, JSON.parse(newValue));
  } else if (composer() && newValue === null && key === keyOf("draft", composer())) {
    // The other page has sent or discarded this draft. This box has the same text, or another one to keep.
    if (box().value === oldValue) box().value = "";
    keepDraft();
  }
});

// A reply names its message in a field of the form, and above the box.
const originalOf = ({ reply_to }) => document.getElementById(`m-${reply_to}`);
export function replyTo(id) {
  const name = document.querySelector("#replying b"), original = originalOf({ reply_to: id });
  if (!name) return;
  composer().elements.reply_to.value = id;
  store(keyOf("reply", composer()), id);
  name.textContent = original?.querySelector(".author").textContent ?? "a message";
}
restore();
