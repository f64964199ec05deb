// The quick switcher, loaded when somebody wants to go somewhere: a dialog with rooms and people to choose from.
import { isComposing } from "./composer.js";
import { choose, chosenIn, showChoice } from "./options.js";

const switcher = () => document.getElementById("switcher");
const input = () => switcher().querySelector("input");
const list = () => switcher().querySelector("[role=listbox]");

// Enter pressed before the list has come means what was typed, not what the list still shows.
let isHurried = false;
function goThere() {
  isHurried = list()?.dataset.query !== input().value;
  if (!isHurried) chosenIn(list())?.click();
}

export function openSwitcher() {
  isHurried = false;
  switcher().showModal();
  input().value = "";
  htmx.trigger(input(), "opened");
}

document.addEventListener("htmx:after:swap", ({ target }) => {
  if (!target.closest?.("#switcher") || !list()) return;
  showChoice(list(), input());
  if (isHurried && switcher().open) goThere();
});
document.addEventListener("input", ({ target }) => {
  if (target.closest("#switcher")) isHurried = false;
});
document.addEventListener("keydown", (event) => {
  if (!event.target.closest("#switcher") || isComposing(event)) return;
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Enter") goThere();
  else if (by && list()) choose(list(), input(), by);
  else return;
  event.preventDefault();
});
