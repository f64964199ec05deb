// Going somewhere by keyboard: Ctrl or ⌘ and K for the quick switcher, / for the search, ? for the list of keys.
"use strict";

const switcher = () => document.getElementById("switcher");

function openDialog(id) {
  const dialog = document.getElementById(id);
  if (!dialog || document.querySelector("dialog[open]")) return;
  isHurried = false;
  dialog.showModal();
  const input = dialog.querySelector("input");
  if (input) input.value = "";
  htmx.trigger(input ?? dialog, "opened");
}

// The box in the sidebar, or the page of its own where the sidebar is not shown.
function search() {
  const box = document.querySelector("main input[type=search], .sidebar-search > input");
  box?.checkVisibility() ? box.focus() : location.assign("/search");
}

const isWriting = (element) => element.matches("input, textarea, select, [contenteditable]");
document.addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k" && switcher()) {
    event.preventDefault();
    switcher().open ? switcher().close() : openDialog("switcher");
  } else if (event.key === "?" && !isWriting(event.target)) openDialog("shortcuts");
  else if (event.key === "/" && !isWriting(event.target) && !event.ctrlKey && !event.metaKey) (event.preventDefault(), search());
});

// Whoever types fast means what they typed, not what the list still shows.
let isHurried = false;
function goThere() {
  const [list, typed] = [switcher().querySelector("[role=listbox]"), switcher().querySelector("input").value];
  isHurried = list?.dataset.query !== typed;
  if (!isHurried) list.querySelector("[aria-selected=true]")?.click();
}
document.addEventListener("htmx:after:swap", ({ target }) => {
  if (!target.closest?.("#switcher")) return;
  const chosen = switcher().querySelector("[aria-selected=true]");
  if (chosen) switcher().querySelector("input").setAttribute("aria-activedescendant", chosen.id);
  if (isHurried && switcher().open) goThere();
});

document.addEventListener("input", ({ target }) => target.closest("#switcher") && (isHurried = false));

document.addEventListener("keydown", (event) => {
  if (!event.target.closest("#switcher") || isComposing(event)) return;
  const all = [...switcher().querySelectorAll("[role=option]")];
  const at = all.findIndex((option) => option.ariaSelected === "true");
  if (event.key === "Enter") (event.preventDefault(), goThere());
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!by || !all.length) return;
  event.preventDefault();
  const next = all[(at + by + all.length) % all.length];
  for (const option of all) option.ariaSelected = option === next;
  next.scrollIntoView({ block: "nearest" });
  event.target.setAttribute("aria-activedescendant", next.id);
});

document.addEventListener("click", (event) => {
  if (event.target.closest("#switch") && !event.ctrlKey && !event.metaKey) (event.preventDefault(), openDialog("switcher"));
  // Beside the dialog is out of it.
  if (event.target.matches("dialog[open]")) event.target.close();
});
