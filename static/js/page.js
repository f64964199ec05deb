// Every page: what keys and clicks do, and where the keyboard is after an action.
import { box, replyTo } from "./composer.js";
import { bar, here, me, menu, messages, openMenu, rowOf, scroller, shown } from "./messages.js";

const writing = () => box() ?? scroller() ?? document.getElementById("main");

// The acts of keys, by elements. An act that returns false leaves the key to earlier acts, or to the browser.
const acts = [];
export const onKey = (keys, where, act) => acts.unshift({ keys: keys.split(" "), where, act });
document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, metaKey, shiftKey, altKey } = event;
  const pressed = `${ctrlKey || metaKey ? "Ctrl+" : ""}${shiftKey && key.length > 1 ? "Shift+" : ""}${key}`;
  const isDone = ({ keys, where, act }) => keys.includes(pressed) && target.matches(where) && act(event) !== false;
  // Safari ends the composing of a word before it tells of the key that did.
  if (altKey || event.isComposing || event.keyCode === 229 || !acts.some(isDone)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
}, true);

// The same for clicks, except those that open a link elsewhere.
export function onClick(where, act) {
  document.addEventListener("click", (event) => {
    const found = event.target.closest(where), isElsewhere = event.ctrlKey || event.metaKey || event.shiftKey;
    if (!found || isElsewhere || act(found) === false) return;
    event.preventDefault();
    event.stopImmediatePropagation();
  }, true);
}

// The browser may not have taken the focus out of the closed dialog yet.
document.addEventListener("close", ({ target: dialog }) => {
  if (document.activeElement === document.body || dialog.contains(document.activeElement)) writing().focus();
  for (const box of dialog.querySelectorAll("input")) box.value = "";
}, true);

// A swap may remove the element that has the focus. A mouse needs no focus.
let had = null;
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const at = document.activeElement, isEditing = at.closest(".editor") ?? ctx.sourceElement?.closest?.(".editor");
  if (at === document.body) return;
  const row = at.closest(".further") ? "scroller" : at.closest(".message")?.id;
  had = { at, row, isEditing, isKeyboard: at.matches(":focus-visible") };
}, true);
document.addEventListener("htmx:after:swap", () => {
  const { at, row, isEditing, isKeyboard } = had ?? {}, isLost = document.activeElement === document.body;
  if (isLost && at?.isConnected) at.focus({ preventScroll: true });
  else if (isLost && isEditing) writing().focus();
  else if (isLost && isKeyboard) (document.getElementById(at.id) ?? document.getElementById(row) ?? writing()).focus();
  had = null;
  rove();
});

// Enter sends. A keyboard on the screen has no other key for a new line.
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)");
onKey("Enter Ctrl+Enter", "#body, .editor textarea", ({ target }) => !TOUCH.matches && target.form.requestSubmit());
onKey("Escape", ".editor :not(.confirm *)", ({ target }) => target.form.querySelector("a").click());
onKey("ArrowUp", "#body:placeholder-shown", () => {
  const mine = `#messages [data-author="${me}"]:not(.deleted), #outbox [data-state] .edit`;
  const last = [...document.querySelectorAll(mine)].at(-1);
  if (!last?.id) return last ? last.click() : false;
  return htmx.ajax("GET", `/messages/${last.id.slice(2)}/edit`, { source: last, target: `#${last.id} > .body` });
});

// From the box the list of messages is scrolled, unless the box itself can be.
onKey("PageUp PageDown", "#body", ({ key, target: { scrollHeight, clientHeight } }) =>
  scrollHeight <= clientHeight && scroller().scrollBy(0, (key === "PageUp" ? -0.9 : 0.9) * scroller().clientHeight));

// The arrows lead from message to message, within one to its links and actions, and through its menu.
const CONTROLS = ":is(a, button, pre):not(.editor *)", IN_ROW = ":is(#messages, #bar) :not(.editor *)";
const controls = (...places) => shown(places.flatMap((place) => [...place.querySelectorAll(CONTROLS)]));
const beside = (all, at, key, places = 1) => all[all.indexOf(at) + (/Up|Left/.test(key) ? -places : places)];
export const step = (all, { key, target }, columns = 1, before = null) =>
  (beside(all, target, key, /Up|Down/.test(key) ? columns : 1) ?? before)?.focus();
onClick("#messages .more", ({ parentElement }) => Boolean(bar()) && openMenu(parentElement));
onKey("Enter", "#messages > li:not(.deleted)", ({ target }) => openMenu(target));
onKey("ArrowUp ArrowDown", IN_ROW, ({ key, target }) =>
  step([...messages().children, writing()], { key, target: rowOf(target) }));
// They also scroll long lines of code.
onKey("ArrowLeft ArrowRight", `${IN_ROW}:not(pre)`, (event) =>
  step([rowOf(event.target), ...controls(rowOf(event.target), bar())], event));
onKey("ArrowUp ArrowDown ArrowLeft ArrowRight", "#menu :not(input)", (event) => step(controls(menu()), event));

// One tab stop for the whole list: the row that has the keyboard, else the last. Code that is cut keeps a stop.
function rove() {
  const stop = rowOf(document.activeElement) ?? messages()?.lastElementChild;
  const stops = document.querySelectorAll(`#messages :not(pre, [tabindex="-1"]):is(.message, ${CONTROLS})`);
  for (const each of stops) each.tabIndex = -1;
  for (const code of document.querySelectorAll("#messages pre:not([tabindex])"))
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0;
  if (stop) stop.tabIndex = 0;
}
document.addEventListener("focusin", ({ target }) => target.closest("#messages > li") && rove());
rove();

onClick(":is(#bar, #menu) .reply, #replying > a", (link) => {
  if (!box()) return false;
  menu().hidePopover();
  replyTo(link.closest("#replying") ? "" : here().id.slice(2));
  return box().focus();
});
onKey("Escape", "#body", () => Boolean(replyTo("")));

// An original that is on this page needs no other page.
onClick("a.quoted", ({ hash }) => Boolean(document.querySelector(hash)) && location.replace(hash));

onClick("#jump", (jump) => {
  scroller().scrollTop = 0;
  if (jump.matches(":focus-visible")) writing().focus();
});
// A form that came back has the keyboard where it is wrong, after the browser has gone to the place in the address.
window.addEventListener("load", () => document.querySelector("[aria-invalid=true]")?.focus());

// Hides an error once its field is changed: static/css/field.css.
document.addEventListener("input", ({ target }) => {
  target.removeAttribute("aria-invalid");
  target.form?.setAttribute("data-changed", "");
});

// The arrows mark an option in the list that a box controls, and screen readers read it out.
const optionsOf = (box) => [...document.querySelectorAll(`#${box.getAttribute("aria-controls")} [role=option]`)];
export const markedOf = (box) => optionsOf(box).find(({ ariaSelected }) => ariaSelected === "true");
export function mark(box, option) {
  for (const each of optionsOf(box)) each.ariaSelected = each === option;
  option?.scrollIntoView({ block: "nearest" });
  box.setAttribute("aria-activedescendant", option?.id ?? "");
}
onKey("ArrowUp ArrowDown", "[aria-controls]", ({ key, target }) => {
  const all = shown(optionsOf(target)), end = all.at(key === "ArrowUp" ? -1 : 0);
  return Boolean(end) && mark(target, beside(all, markedOf(target), key) ?? end);
});

// Enter takes the marked result of the present text, or the first: the list may still be that of an earlier text.
onKey("Enter", "#switcher input, .picking > input", async ({ target }) => {
  const found = target.parentElement.querySelector("#destinations, .found"), { value } = target;
  const url = `${target.getAttribute("hx-get")}?q=${encodeURIComponent(value)}`;
  if (found.querySelector("[role=listbox]")?.dataset.query !== value)
    await htmx.ajax("GET", url, { source: found, target: found, swap: "innerHTML" });
  if (target.value !== value || !target.checkVisibility()) return;
  found.querySelector("[aria-selected=true], .found > button")?.click();
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) =>
  document.querySelectorAll(`[aria-controls="${ctx.target?.id}"]`).forEach((box) => mark(box, markedOf(box))));

const open = (id) => document.querySelector("dialog[open]") ?? document.getElementById(id).showModal();
const switcher = () => document.getElementById("switcher");
const IN_SHELL = ":has(#switcher) *", NOT_TYPING = `${IN_SHELL}:not(input, textarea, select)`;
onKey("Ctrl+k Ctrl+K", IN_SHELL, () => (switcher().open ? switcher().close() : open("switcher")));
onKey("?", NOT_TYPING, () => open("shortcuts"));
// The box in the sidebar, or the page of its own where the sidebar is not shown.
const searchFields = () => shown(document.querySelectorAll("main input[type=search], .sidebar-search > input"));
onKey("/", NOT_TYPING, () => (searchFields().length ? searchFields()[0].focus() : location.assign("/search")));
onClick("#switch", () => open("switcher"));

// A name in a room opens a card over it. If the card does not come, the page of the person opens.
onClick(":is(.room :is(.author, .mention), .online li > a)[href^='/people/']", async (link) => {
  const card = document.getElementById("card"), path = link.getAttribute("href");
  card.replaceChildren();
  await htmx.ajax("GET", `${path}/card`, { target: card, swap: "innerHTML" });
  return card.childElementCount ? card.showPopover({ source: link }) : location.assign(path);
});

// Loaded when the reader moves; a first tap comes before the module. While the server is away they stay unloaded.
const load = (name) => import(`./${name}.js`).catch(() => ({}));
const LATER = ["completion", "copying", "switching", "files", "lightbox"];
for (const type of ["pointermove", "pointerdown", "keydown", "dragenter"]) for (const name of LATER)
  window.addEventListener(type, () => load(name), { once: true, capture: true });
onClick("[data-copy]", async (source) => (await load("copying")).copyFrom?.(source));
onClick(".picture > a", async (link) => (await load("lightbox")).show?.(link));
onClick("#picker .emoji-list button", (button) => load("completion").then(({ pick }) => pick?.(button)) && false);

// What is pasted or dropped waits in the field for its module. The browser would leave the page for a dropped file. A
// picture that comes with its text, as from an office program, is text.
for (const type of ["dragover", "drop", "paste"]) document.addEventListener(type, (event) => {
  const { types, files } = event.dataTransfer ?? event.clipboardData, field = document.getElementById("files");
  const isText = type === "paste" && (event.target !== box() || types.includes("text/plain"));
  if (field && types.includes("Files") && !isText) event.preventDefault();
  if (event.defaultPrevented && files.length) htmx.trigger(Object.assign(field, { files }), "change");
});
