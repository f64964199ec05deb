// What cannot be undone is asked about once more, in a dialog of the page.
"use strict";

function ask(question, word, proceed, refuse = () => {}) {
  const dialog = document.getElementById("confirm");
  // The end of the question before this one may not have been told yet.
  dialog.onclose?.();
  dialog.querySelector("p").textContent = question;
  dialog.querySelector("[value=yes]").textContent = word;
  dialog.returnValue = "";
  dialog.onclose = () => {
    if (dialog.open) return;
    dialog.onclose = null;
    dialog.returnValue === "yes" ? proceed() : refuse();
  };
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
