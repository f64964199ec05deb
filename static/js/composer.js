// Sending. Enter moves what is in the box to the outbox: forms under the messages that post themselves, one after the
// other. Each is kept in localStorage until the server has accepted it, and stands in all pages of the room.
import { here, messages, quote } from "./messages.js";

const { me } = document.documentElement.dataset;
export const composer = () => document.getElementById("composer");
export const box = () => document.getElementById("body");
const outbox = () => document.getElementById("outbox");

// 128 random bits are a UUID. crypto.randomUUID() is not there over plain http.
const hex = (byte) => byte.toString(16).padStart(2, "0");
const newId = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");

// Safari ends the composing of a word before it tells of the key that did.
export const isComposing = (event) => event.isComposing || event.keyCode === 229;

export function insert(text, start, end) {
  box().setRangeText(text, start, end, "end");
  box().dispatchEvent(new Event("input", { bubbles: true }));
}

// What is stored for a room: its draft, and the messages that wait. The sidebar tells of both.
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

export function markRooms() {
  const keys = Object.keys(localStorage);
  for (const link of document.querySelectorAll("#sidebar a[data-room]")) {
    const has = (kind) => keys.some((key) => key.startsWith(keyOf(kind, link)));
    link.dataset.unsent = has("outbox") ? "Not sent" : has("draft") ? "Draft" : "";
  }
}

// The messages of the outbox, in the order in which they were written; those that are refused wait for their author.
const items = () => [...document.querySelectorAll("#outbox > li")];
const queue = () => items().filter(({ dataset }) => dataset.state !== "refused");
const formOf = (item) => item.querySelector("form");
const fieldsOf = (item) => Object.fromEntries(new FormData(formOf(item)));
const reasonOf = (item) => item.querySelector(".why").firstChild?.textContent ?? "";
const inputOf = ([name, value]) => Object.assign(document.createElement("input"), { type: "hidden", name, value });
const tokenOf = ({ client_id }) => client_id.slice(0, 12);

function show(key, { fields, why }) {
  const item = document.getElementById("outgoing").content.firstElementChild.cloneNode(true);
  Object.assign(item.dataset, { key, client: tokenOf(fields) });
  item.querySelector(".body > p").textContent = fields.body;
  const quoted = item.querySelector(".quoted"), original = originalOf(fields);
  quoted.hidden = !original;
  if (original) quote(quoted, original);
  const question = item.querySelector("[popover]");
  for (const each of item.querySelectorAll("[popovertarget]")) each.popoverTargetElement = question;
  formOf(item).append(...Object.entries(fields).map(inputOf));
  if (why) say(item, "refused", why);
  outbox().insertBefore(item, items().find(({ dataset }) => dataset.key > key) ?? null);
  window.htmx?.process(item);
  join();
  return item;
}

function keep(item) {
  const why = item.dataset.state === "refused" && reasonOf(item);
  store(item.dataset.key, JSON.stringify({ fields: fieldsOf(item), why }));
}

function drop(item) {
  localStorage.removeItem(item.dataset.key);
  item.remove();
  return fieldsOf(item);
}

// As the server will group them.
function join() {
  const { author, at } = messages()?.lastElementChild?.dataset ?? {};
  const isMine = author === me && Date.now() - Date.parse(at) < 300_000;
  for (const [place, item] of items().entries()) item.classList.toggle("continues", place > 0 || isMine);
}

// Not by an attribute: htmx gives an element the attributes of its markup once more, some time after the swap.
let known = new WeakSet();
document.addEventListener("chat:leave", () => (known = new WeakSet()));
const isNew = (element) => element && !known.has(element) && known.add(element);
function restore() {
  if (isNew(composer())) {
    // Something stands there already: what the browser has kept, or what was typed before this could run.
    const draft = localStorage.getItem(keyOf("draft", composer())) ?? "", there = box().value;
    if (!there.startsWith(draft)) box().value = draft.startsWith(there) ? draft : `${draft}\n${there}`;
    const answered = localStorage.getItem(keyOf("reply", composer()));
    if (answered) replyTo(answered);
  }
  if (!isNew(outbox())) return;
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(keyOf("outbox", outbox()))).sort()) {
    const kept = JSON.parse(localStorage.getItem(key)), token = tokenOf(kept.fields);
    if (messages().querySelector(`[data-author="${me}"][data-client="${token}"]`)) localStorage.removeItem(key);
    else show(key, kept);
  }
  // The connection, at which they go, may be there already.
  goIn(1.5);
}

document.addEventListener("submit", (event) => {
  if (event.target !== composer() || !outbox()) return;
  event.preventDefault();
  if (!box().value.trim()) return;
  const [head] = queue(), last = items().at(-1)?.dataset.key.split(/[:-]/)[3] ?? 0, client_id = newId();
  const key = `${keyOf("outbox", outbox())}${Math.max(Date.now(), Number(last) + 1)}-${client_id}`;
  const item = show(key, { fields: { ...Object.fromEntries(new FormData(composer())), client_id } });
  if (head?.dataset.state) say(item, "waiting", head.dataset.until ? BEHIND : reasonOf(head));
  keep(item);
  insert("", 0, box().value.length);
  replyTo("");
  go();
});

// Only the first is ever in flight: the next must not overtake it when it fails.
const BEHIND = "Waiting for the message before it.";
let timer;
function go() {
  const [head] = queue(), wait = head?.dataset.until - performance.now();
  if (wait > 0) goIn(wait / 1000);
  else if (head && window.htmx) htmx.trigger(formOf(head), "send");
}

function goIn(seconds) {
  clearTimeout(timer);
  timer = setTimeout(go, 1000 * seconds);
}
window.addEventListener("online", go);
document.addEventListener("htmx:ws:after:connection", go);

function say(item, state, why, until) {
  Object.assign(item.dataset, { state, until: until || "" });
  if (why !== reasonOf(item)) item.querySelector(".why").textContent = why;
  countDown(item);
  return item;
}

function countDown(item) {
  const { state, until } = item.dataset, seconds = Math.ceil((until - performance.now()) / 1000);
  const [count, unit] = seconds > 180 ? [Math.ceil(seconds / 60), "minute"] : [seconds, "second"];
  const what = state === "refused" ? "You can send it" : "It is sent";
  const when = seconds > 0 ? `${what} in ${count} ${unit}${count > 1 ? "s" : ""}.` : `${what} now.`;
  item.querySelector(".when").textContent = until && when;
}
setInterval(() => items().forEach(countDown), 1000);

// After more than a minute, a message sent automatically would surprise its author.
export const isRefusal = ({ status, headers }) =>
  status >= 400 && status < 500 && !(status === 429 && headers.get("Retry-After") <= 60);

// An accepted message is gone by now, unless its answer leads elsewhere. Returns the seconds until the next is due.
function settle(item, { response, hx }) {
  const seconds = Number(response?.headers.get("Retry-After"));
  const until = seconds && performance.now() + 1000 * seconds;
  const why = response ? reasonOf(item) || "The server has a problem." : "Waiting for the connection.";
  if (hx?.redirect) drop(item);
  else if (response && isRefusal(response)) keep(say(item, "refused", why, until));
  else if (item.isConnected) {
    for (const each of queue()) say(each, "waiting", until && each !== item ? BEHIND : why, each === item && until);
    return seconds || 1.5 + 1.5 * Math.random();
  }
  return 0;
}

document.addEventListener("htmx:finally:request", ({ detail: { ctx } }) => {
  const { sourceElement } = ctx, item = sourceElement.closest?.("#outbox > li");
  // After a sign-out the page is loaded again.
  if (sourceElement.matches?.(".outgoing") && !ctx.hx?.refresh) goIn(item ? settle(item, ctx) : 0);
});

// The answer and the frame of the socket come in any order; the first of them takes the place of what was sent.
document.addEventListener("htmx:before:swap", ({ detail: { tasks } }) => {
  for (const { fragment } of tasks)
    for (const { dataset } of fragment?.querySelectorAll(`.message[data-author="${me}"]`) ?? [])
      items().filter((item) => item.dataset.client === dataset.client).forEach(drop);
}, true);
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => {
  if (["sidebar", "main"].includes(ctx.target?.id)) markRooms();
  restore();
  join();
});

const acts = {
  discard: drop,
  retry: (item) => keep(say(item, "", "")),
  // What looks like a command.
  say(item) {
    formOf(item).append(inputOf(["as", "message"]));
    acts.retry(item);
  },
  edit(item) {
    const { body, ...others } = drop(item);
    for (const name in others) if (composer().elements[name]) composer().elements[name].value = others[name];
    replyTo(others.reply_to ?? "");
    insert(box().value ? `${body}\n` : body, 0, 0);
  },
};
document.addEventListener("click", ({ target }) => {
  const button = target.closest("#outbox button"), item = button?.closest("li");
  if (!acts[button?.value]) return;
  if (button.value !== "retry" && formOf(item).matches(".htmx-request")) htmx.trigger(formOf(item), "htmx:abort");
  const goesOn = button.value === "edit" || button.matches(":focus-visible");
  acts[button.value](item);
  if (goesOn) box()?.focus();
  go();
});

// Other pages: the one in which a message was written sends it, and this one if that is gone.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  markRooms();
  if (outbox() && key?.startsWith(keyOf("outbox", outbox()))) {
    items().find(({ dataset }) => dataset.key === key)?.remove();
    if (newValue) show(key, JSON.parse(newValue));
    goIn(3);
  } else if (composer() && newValue === null && key === keyOf("draft", composer())) {
    // The other page has sent this text, or thrown it away. Here stands the same, or something else to keep.
    if (box().value === oldValue) box().value = "";
    keepDraft();
  }
});

// A reply names its message in a field of the form, and above the box.
const originalOf = ({ reply_to }) => document.getElementById(`m-${reply_to}`);
function replyTo(id) {
  const place = document.getElementById("replying");
  if (!place) return;
  composer().elements.reply_to.value = id;
  store(keyOf("reply", composer()), id);
  const author = originalOf({ reply_to: id })?.querySelector(".author");
  place.querySelector("b").textContent = author?.textContent ?? "a message";
  place.hidden = !id;
}
document.addEventListener("click", (event) => {
  const { target } = event, isReply = target.closest(":is(#bar, #menu) .reply");
  if (!box() || !(isReply ?? target.closest("#replying > a"))) return;
  event.preventDefault();
  replyTo(isReply ? here().id.slice(2) : "");
  box().focus();
});
document.addEventListener("keydown", ({ key, target }) => key === "Escape" && target === box() && replyTo(""));

restore();
markRooms();
