// A field to be copied: all of it is chosen at once, and a button copies it where the browser lets pages do that.
"use strict";

document.addEventListener("focusin", ({ target }) => target.matches(".copyable") && target.select());
document.addEventListener("click", async ({ target }) => {
  const button = target.closest("[data-copies]");
  if (!button) return;
  await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).value);
  button.textContent = "Copied";
});
document.addEventListener("DOMContentLoaded", () => {
  // Over plain http there is no clipboard.
  for (const button of document.querySelectorAll("[data-copies]")) button.hidden = !navigator.clipboard;
});
