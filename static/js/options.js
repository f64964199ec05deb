// A list of options under a box: the arrows choose, and the box says to screen readers which one is chosen.

export const chosenIn = (list) => list.querySelector("[aria-selected=true]");

export function showChoice(list, input) {
  const option = list.hidden ? null : chosenIn(list);
  if (option) input.setAttribute("aria-activedescendant", option.id);
  else input.removeAttribute("aria-activedescendant");
}

export function choose(list, input, by) {
  const all = [...list.querySelectorAll("[role=option]")];
  const next = all[(all.indexOf(chosenIn(list)) + by + all.length) % all.length];
  for (const option of all) option.ariaSelected = option === next;
  next?.scrollIntoView({ block: "nearest" });
  showChoice(list, input);
}
