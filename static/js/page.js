// Every page: questions before what cannot be undone, where the keyboard is after an action, keys that lead elsewhere.
import { box, isComposing } from "./composer.js";
import { bar, here, menu, openMenu, scroller, shown } from "./messages.js";

// A button that has a question, or whose form has, is pressed again when the dialog was answered with yes.
let confirmed = null;
document.addEventListener("click", (event) => {
  const button = event.target.closest("button"), asking = button?.closest("[data-confirm]");
  if (!asking || button === confirmed) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  ask(button, asking.dataset);
}, true);

function ask(button, { confirm: question, word }) {
  // A menu gives the keyboard back to what opened it.
  document.querySelector(":popover-open")?.hidePopover();
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("[value=yes]").textContent = word;
  dialog.returnValue = "";
  dialog.onclose = () => {
    // The close event of the question before may come late.
    if (dialog.open) return;
    dialog.onclose = null;
    if (dialog.returnValue !== "yes") return;
    confirmed = button;
    button.click();
    confirmed = null;
  };
  dialog.showModal();
}

const writing = () => box() ?? scroller() ?? document.getElementById("main");
const placeIn = (message, emoji) => message?.querySelector(`.reaction[value="${CSS.escape(emoji)}"]`) ?? message;

// A swap may remove what had the keyboard; a mouse needs no place to be.
let had = null;
document.addEventListener("htmx:before:swap", ({ detail: { ctx } }) => {
  const at = document.activeElement;
  if (at === document.body) return;
  const wasEditing = Boolean(at.closest(".editor") ?? ctx.sourceElement?.closest?.(".editor"));
  const message = at.closest(".message")?.id, isKeyboard = at.matches(":focus-visible");
  had = { at, value: at.value, message, wasEditing, isKeyboard };
}, true);
document.addEventListener("htmx:after:swap", () => {
  // A morph may have made another reaction of it.
  const isOther = had?.at.matches(".reaction") && had.at.value !== had.value;
  if (had && (isOther || document.activeElement === document.body)) giveBack(had, isOther);
  had = null;
});

function giveBack({ at, value, message, wasEditing, isKeyboard }, isOther) {
  const place = placeIn(document.getElementById(message), value);
  if (at.isConnected && !isOther) at.focus({ preventScroll: true });
  else if (wasEditing) writing().focus();
  else if (isKeyboard) (place ?? (at.closest(".further") ? scroller() : writing())).focus();
}

// Enter sends. A keyboard on the screen has no other key for a new line.
const TOUCH = matchMedia("(hover: none) and (pointer: coarse)");
const { me } = document.documentElement.dataset;
const mine = `#messages [data-author="${me}"]:not(.deleted), #outbox [data-state] .edit`;
function edit(last) {
  if (last.matches("button")) last.click();
  else htmx.ajax("GET", `/messages/${last.id.slice(2)}/edit`, { source: last, target: `#${last.id} > .body` });
}
document.addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event;
  if (key === "Enter" && target.matches("#body, .editor textarea")) {
    if (shiftKey || isComposing(event) || TOUCH.matches) return;
    event.preventDefault();
    target.form.requestSubmit();
  } else if (key === "ArrowUp" && target.id === "body" && !target.value) {
    const last = [...document.querySelectorAll(mine)].at(-1);
    if (last) event.preventDefault();
    if (last) edit(last);
  } else if (key === "Escape" && target.closest(".editor")) target.form.querySelector("a").click();
});

// One tab stop for the whole list: the row that has the keyboard, else the last. The arrows lead to all the others.
// Code that is cut keeps a stop, for its own scrolling.
const CONTROLS = ":is(a, button, pre):not(.editor *)";
function rove() {
  const at = document.activeElement, list = document.getElementById("messages");
  const stop = (bar()?.contains(at) ? here() : at.closest("#messages > li")) ?? list?.lastElementChild;
  const stops = list?.querySelectorAll(`:is(.message, ${CONTROLS}):not(pre, [tabindex="-1"])`) ?? [];
  for (const each of stops) each.tabIndex = -1;
  for (const code of list?.querySelectorAll("pre:not([tabindex])") ?? [])
    if (code.scrollWidth > code.clientWidth) code.tabIndex = 0;
  if (stop) stop.tabIndex = 0;
}
document.addEventListener("htmx:after:swap", rove);
rove();
document.addEventListener("focusin", ({ target }) => target.closest("#messages > li") && rove());

// The arrows lead from message to message, within one to its links and actions, and through its menu.
const STEPS = { ArrowUp: -1, ArrowDown: 1, ArrowLeft: -1, ArrowRight: 1 };
function next(key, target, message) {
  const isMenu = message.id === "menu";
  if (key === "ArrowUp" && !isMenu) return message.previousElementSibling;
  if (key === "ArrowDown" && !isMenu) return message.nextElementSibling ?? writing();
  const parts = [...message.querySelectorAll(CONTROLS), ...(isMenu ? [] : bar().querySelectorAll(CONTROLS))];
  const all = shown([...(isMenu ? [] : [message]), ...parts]);
  return all[all.indexOf(target) + STEPS[key]];
}
document.addEventListener("keydown", (event) => {
  const { key, target, ctrlKey, altKey, metaKey } = event;
  const message = bar()?.contains(target) ? here() : target.closest("#messages > li, #menu");
  if (!message || target.closest(".editor, input") || ctrlKey || altKey || metaKey) return;
  if (key === "Enter" && target === message && !message.matches(".deleted")) openMenu(message);
  // The arrows also scroll long lines of code.
  else if (STEPS[key] && !(target.matches("pre") && /Left|Right/.test(key))) next(key, target, message)?.focus();
  else return;
  event.preventDefault();
});

// An original that is on this page needs no other page.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.quoted"), original = link && document.querySelector(link.hash);
  if (!original || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  location.replace(link.hash);
  if (link.matches(":focus-visible")) original.focus({ preventScroll: true });
});

// From the box the list of messages is scrolled, unless the box itself can be.
document.addEventListener("keydown", (event) => {
  const by = { PageUp: -0.9, PageDown: 0.9 }[event.key], { target } = event;
  if (!by || target.id !== "body" || target.scrollHeight > target.clientHeight) return;
  event.preventDefault();
  scroller().scrollBy(0, by * scroller().clientHeight);
});

// The list of emoji may still be that of an earlier word: Enter goes there, and does not choose.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches("#picker input, #menu input")) return;
  event.preventDefault();
  event.target.parentElement.querySelector(".emoji-list button")?.focus();
});

document.addEventListener("click", ({ target }) => target.closest("#jump:focus-visible") && writing().focus());
// A dialog that was opened by a key gives the keyboard to the composer.
document.addEventListener("close", ({ target }) => {
  const at = document.activeElement;
  // The browser may not have taken the keyboard out of what is closed yet.
  if (at === document.body || target.contains(at)) writing().focus();
}, true);
// A form that came back has the keyboard where it is wrong, after the browser has gone to the place in the address.
window.addEventListener("load", () => document.querySelector("[aria-invalid=true]")?.focus());

// An error goes when what it is about is changed.
document.addEventListener("input", ({ target }) => {
  const about = target.getAttribute("aria-describedby")?.split(" ") ?? [];
  for (const error of target.form?.querySelectorAll(".field-error, .form-error") ?? [])
    error.hidden ||= error.matches(".form-error") || about.includes(error.id);
  target.removeAttribute("aria-invalid");
});

// The arrows choose in the list of options that a box controls, and screen readers read the chosen one out.
document.addEventListener("keydown", (event) => {
  const { key, target, shiftKey } = event, by = { ArrowDown: 1, ArrowUp: -1 }[key];
  const list = document.getElementById(target.getAttribute("aria-controls"));
  const all = list && !list.hidden ? [...list.querySelectorAll("[role=option]")] : [];
  if (!by || !all.length || shiftKey || isComposing(event)) return;
  event.preventDefault();
  const at = all.findIndex((option) => option.ariaSelected === "true");
  const next = all.at(at < 0 && by < 0 ? -1 : (at + by) % all.length);
  for (const option of all) option.ariaSelected = option === next;
  next.scrollIntoView({ block: "nearest" });
  target.setAttribute("aria-activedescendant", next.id);
});

// The quick switcher. Enter pressed before its list has come means what was typed, not what the list still shows.
const switcher = () => document.getElementById("switcher");
const chosen = () => switcher().querySelector("[aria-selected=true]");
let isHurried = false;
function goThere() {
  const [list, { value }] = [switcher().querySelector("[role=listbox]"), switcher().querySelector("input")];
  isHurried = list?.dataset.query !== value;
  if (!isHurried) chosen()?.click();
}
document.addEventListener("htmx:after:swap", ({ target }) => {
  if (!target.closest?.("#switcher")) return;
  if (chosen()) switcher().querySelector("input").setAttribute("aria-activedescendant", chosen().id);
  if (isHurried && switcher().open) goThere();
});
document.addEventListener("input", ({ target }) => {
  if (target.closest("#switcher")) isHurried = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.closest("#switcher") || isComposing(event)) return;
  event.preventDefault();
  goThere();
});

function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!dialog || document.querySelector("dialog[open]")) return;
  isHurried = false;
  dialog.showModal();
  const input = dialog.querySelector("input");
  if (input) input.value = "";
  htmx.trigger(input ?? dialog, "opened");
}

const toggleSwitcher = () => (switcher().open ? switcher().close() : openDialog("switcher"));

// The box in the sidebar, or the page of its own where the sidebar is not shown.
function search() {
  const field = document.querySelector("main input[type=search], .sidebar-search > input");
  if (field?.checkVisibility()) field.focus();
  else location.assign("/search");
}

document.addEventListener("keydown", (event) => {
  const { key, target, altKey } = event;
  const isCommand = event.ctrlKey || event.metaKey;
  const isTyping = target.matches("input, textarea, select, [contenteditable]");
  if (isCommand && !altKey && key.toLowerCase() === "k" && switcher()) toggleSwitcher();
  else if (key === "/" && !isTyping && !isCommand) search();
  else if (key === "?" && !isTyping) openDialog("shortcuts");
  else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#switch") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  openDialog("switcher");
});

// What waits for another room goes from here, as soon as there is a connection.
document.addEventListener("htmx:ws:after:connection", () => {
  if (!Object.keys(localStorage).some((key) => key.startsWith("outbox:"))) return;
  import("./elsewhere.js").then(({ sendAll }) => sendAll(), () => {});
});

// Help with writing is loaded when somebody begins to write. While the server is away there is none.
for (const type of ["input", "click"]) document.addEventListener(type, ({ target }) => {
  if (target.closest("#composer")) import("./completion.js").catch(() => {});
});

// Nothing is copied before somebody moves; a first tap comes before the module does.
const copying = () => import("./copying.js").catch(() => ({}));
for (const type of ["pointermove", "pointerdown", "keydown"]) addEventListener(type, copying, { once: true });
document.addEventListener("click", async (event) => {
  const source = event.target.closest("[data-copy]");
  if (source) event.preventDefault();
  if (source) (await copying()).copyFrom?.(source);
});
