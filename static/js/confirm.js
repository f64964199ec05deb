// What cannot be undone is asked about once more, in a dialog of the page.
"use strict";

function ask(question, word, proceed, refuse = () => {}) {
  const dialog = document.getElementById("confirm");
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("[value=yes]").textContent = word;
  dialog.returnValue = "";
  dialog.addEventListener("close", () => (dialog.returnValue === "yes" ? proceed() : refuse()), { once: true });
  dialog.showModal();
}

document.addEventListener("htmx:confirm", (event) => {
  const { ctx, issueRequest, dropRequest } = event.detail;
  if (!ctx.confirm) return;
  event.preventDefault();
  ask(ctx.confirm, "Delete", issueRequest, dropRequest);
});

document.addEventListener("submit", (event) => {
  const { confirm: question, word } = event.target.dataset;
  if (!question) return;
  event.preventDefault();
  ask(question, word, () => event.target.submit());
});
