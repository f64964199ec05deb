// A field to be copied: all of it is selected at once, and a button copies it where the browser lets pages do that.

document.addEventListener("focusin", ({ target }) => target.matches(".copyable") && target.select());
for (const button of document.querySelectorAll("[data-copies]")) {
  // Over plain http there is no clipboard.
  button.hidden = !navigator.clipboard;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copies).value);
    button.textContent = "Copied";
  });
}
