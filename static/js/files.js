// Files: chosen, pasted or dropped. Each is uploaded at once and goes with the next message. The browser keeps it until
// then, so that an upload goes on after a reload.
import { del, entries, set } from "../vendor/idb-keyval.js";
import { box, composer, insert, newId, refuse } from "./composer.js";
import { onClick } from "./page.js";

const { me } = document.documentElement.dataset;
const FIELD = "#composer [type=file]";
const LONG_TEXT = 10_000;
const UNSENT = "This file could not be sent.";
const GONE = "This browser no longer has its files. Edit it, and choose them again.";
const RETRIES = Array.from({ length: 1000 }, (_, place) => Math.min(500 * 2 ** place, 15_000));
// Not in the page, because its first load should be small.
const MARKUP = `<span class="face"><img alt=""></span>
  <span class="name one-line"></span><small></small>
  <button class="square" type="button" value="cancel" title="Remove" aria-label="Remove">×</button>
  <progress max="1" value="0" aria-label="Upload"></progress>
  <input name="alt" maxlength="1000" placeholder="Describe the picture" aria-label="Describe the picture">
  <input type="hidden" name="upload" disabled><p class="problem" role="alert"></p>
  <button class="button-quiet" type="button" value="again" hidden>Retry</button>`;
const tray = () => document.getElementById("attached");
const itemOf = (id) => document.querySelector(`.attachment[data-id="${id}"]`);
const messageOf = (key) => [...document.querySelectorAll(".unsent")].find(({ dataset }) => dataset.key === key);

// Of each file: { me, id, room, message, file, alt, url, isWhole, error }. The message is the key of one in the outbox.
const records = new Map();
const running = new Map();
const loaded = entries().catch(() => []).then((all) => {
  // Somebody else may have signed in with this browser.
  for (const [id, record] of all) if (record.me === me && !records.has(id)) records.set(id, record);
});
const otherPages = new BroadcastChannel(`files:${me}`);
function keep(record) {
  records.set(record.id, record);
  // Without storage, as in some private windows, a file is kept in the page alone.
  set(record.id, { ...record, error: "" }).catch(() => {});
  otherPages.postMessage([record.id, record]);
}
function forget({ id }) {
  records.delete(id);
  running.delete(id);
  del(id).catch(() => {});
  otherPages.postMessage([id]);
}
otherPages.addEventListener("message", ({ data: [id, record] }) => {
  itemOf(id)?.remove();
  records.delete(id);
  if (!record) return;
  records.set(id, record);
  show(record);
});

const sizeOf = (bytes) => (bytes < 1e6 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`);

function show(record) {
  const { id, file, alt, message, room } = record, isHere = room === composer()?.dataset.room;
  const place = message ? messageOf(message)?.querySelector(".attached") : isHere && tray();
  if (!place || itemOf(id)) return;
  const item = Object.assign(document.createElement("li"), { className: "attachment", innerHTML: MARKUP });
  item.querySelector(".face").prepend(document.querySelector(".attach > .icon")?.cloneNode(true) ?? "");
  const picture = item.querySelector("img"), description = item.querySelector("[name=alt]");
  item.dataset.id = id;
  item.querySelector(".name").textContent = file.name;
  item.querySelector("small").textContent = sizeOf(file.size);
  description.value = alt;
  description.type = file.type.startsWith("image/") ? "text" : "hidden";
  if (description.type === "text") showPicture(picture, file);
  place.append(item);
  showState(record);
}

async function showPicture(picture, file) {
  const shown = matchMedia("(prefers-reduced-motion: reduce)").matches ? await stillOf(file).catch(() => null) : file;
  if (shown) picture.src = URL.createObjectURL(shown);
  picture.addEventListener("load", () => URL.revokeObjectURL(picture.src));
}
async function stillOf(file) {
  const first = await createImageBitmap(file, { resizeWidth: 144 });
  const canvas = new OffscreenCanvas(first.width, first.height);
  canvas.getContext("bitmaprenderer").transferFromImageBitmap(first);
  return canvas.convertToBlob();
}

function showState({ id, error, isWhole, url, sent = 0 }) {
  const item = itemOf(id);
  if (!item) return;
  const [progress, upload] = [item.querySelector("progress"), item.querySelector("[name=upload]")];
  progress.hidden = isWhole || Boolean(error);
  progress.value = sent;
  upload.disabled = !isWhole;
  upload.value = url?.split("/").at(-1) ?? "";
  item.classList.toggle("whole", Boolean(isWhole));
  item.querySelector("[role=alert]").textContent = error ?? "";
  item.querySelector("[value=again]").hidden = !error;
}

// Of several pages only one uploads a file. Over plain http there are no locks, and the server sorts it out.
async function start({ id }) {
  try {
    await import("../vendor/tus.min.js");
  } catch {
    keep({ ...records.get(id), error: UNSENT });
    return showState(records.get(id));
  }
  const upload = () => new Promise((resolve) => uploadUntil(resolve, records.get(id)));
  if (!navigator.locks) return upload();
  return navigator.locks.request(`file ${id}`, { ifAvailable: true }, (lock) => lock && upload());
}

function uploadUntil(resolve, record) {
  const { id, room, file } = record;
  const change = (news) => {
    if (!records.has(id)) return;
    keep({ ...records.get(id), ...news });
    showState(records.get(id));
  };
  const upload = new window.tus.Upload(file, {
    endpoint: `/rooms/${room}/uploads`,
    uploadUrl: record.url,
    metadata: { id, filename: file.name },
    headers: { "X-Beside": "yes", "X-Me": me },
    retryDelays: RETRIES,
    storeFingerprintForResuming: false,
    onUploadUrlAvailable: () => change({ url: upload.url }),
    onProgress: (sent, all) => showState({ ...records.get(id), id, sent: sent / all }),
    onSuccess() {
      change({ isWhole: true, url: upload.url });
      document.dispatchEvent(new Event("chat:uploaded"));
      resolve();
    },
    onError(error) {
      change({ error: reasonOf(error), url: undefined });
      resolve();
    },
  });
  running.set(id, upload);
  change({ error: "" });
  upload.start();
}

function reasonOf({ originalResponse }) {
  const page = new DOMParser().parseFromString(originalResponse?.getBody() ?? "", "text/html");
  return page.querySelector(".reason")?.textContent ?? UNSENT;
}

function attach(files) {
  for (const file of files) {
    const record = { me, id: newId(), room: composer().dataset.room, message: "", file, alt: "" };
    keep(record);
    show(record);
    start(record);
  }
  box().focus();
}

function take(field) {
  attach(field.files);
  field.value = "";
}

function remove(record) {
  running.get(record.id)?.abort(true).catch(() => {});
  itemOf(record.id)?.remove();
  forget(record);
}

// A page that comes to a room shows what waits there; uploads of other rooms go on meanwhile.
async function restore() {
  // Somebody may have been quicker than this script.
  for (const field of document.querySelectorAll(FIELD)) if (field.value) take(field);
  await loaded;
  for (const record of records.values()) {
    show(record);
    if (!record.isWhole && !record.error && !running.has(record.id)) start(record);
  }
  for (const item of document.querySelectorAll(".unsent"))
    if (ofMessage(item.dataset.key).length < item.dataset.files) refuse(item, GONE);
  document.dispatchEvent(new Event("chat:uploaded"));
}
document.addEventListener("chat:leave", () => tray()?.replaceChildren());
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => ctx.target?.id === "main" && restore());

const ofMessage = (key) => [...records.values()].filter(({ message }) => message === key);
const inTray = () => ofMessage("").filter(({ room }) => room === composer()?.dataset.room);
const move = (moved, message) => moved.forEach((record) => {
  itemOf(record.id)?.remove();
  keep({ ...record, message });
  show(records.get(record.id));
});
document.addEventListener("chat:composed", ({ detail: { key } }) => move(inTray(), key));
document.addEventListener("chat:recomposed", ({ detail: { key } }) => move(ofMessage(key), ""));
document.addEventListener("chat:dropped", ({ detail: { key } }) => ofMessage(key).forEach(forget));
// From a part of the past a message is sent by the browser, which loads the answer as a page.
document.addEventListener("submit", (event) => {
  if (event.target !== composer() || event.defaultPrevented) return;
  if (inTray().every(({ isWhole }) => isWhole)) inTray().forEach(forget);
  else event.preventDefault();
});

document.addEventListener("change", ({ target }) => {
  if (target.matches(FIELD)) take(target);
  const record = target.matches(".attachment [name=alt]") && records.get(target.closest("li").dataset.id);
  if (record) keep({ ...record, alt: target.value });
});
onClick(".attachment > button", ({ value, parentElement: { dataset } }) => {
  const record = records.get(dataset.id);
  if (value === "again") start(record);
  else remove(record);
});

document.addEventListener("paste", ({ target, clipboardData }) => {
  const text = clipboardData.getData("text/plain");
  if (target !== box()) return;
  document.getElementById("long-text")?.remove();
  if (text.length > LONG_TEXT) offerFile(text);
});
function offerFile(text) {
  const offer = Object.assign(document.createElement("p"), { id: "long-text", innerText: "This is a long text. " });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "button-quiet" });
  button.textContent = "Send it as a file";
  button.addEventListener("click", () => {
    const at = box().value.indexOf(text);
    if (at >= 0) insert("", at, at + text.length);
    attach([new File([text], "text.txt", { type: "text/plain" })]);
    offer.remove();
  });
  offer.append(button);
  composer().append(offer);
}

const hasFiles = ({ dataTransfer }) => dataTransfer?.types.includes("Files") && box();
for (const type of ["dragenter", "dragover", "dragleave", "drop"]) document.addEventListener(type, (event) => {
  if (!hasFiles(event)) return;
  event.preventDefault();
  const isInside = type !== "drop" && !(type === "dragleave" && !event.relatedTarget);
  document.getElementById("main").classList.toggle("drop-target", isInside);
});

restore();
const sheet = new URL("../css/attachments.css", import.meta.url);
document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: sheet }));
