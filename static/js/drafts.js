// Drafts: what is in the composer outlives the page, and is the same in all pages of the room.
"use strict";

const draftKey = (form) => `draft:${form.dataset.author}:${form.getAttribute("action")}`;
function keepDraft(form) {
  const { body, client_id: id } = form.elements;
  const draft = { body: body.value, id: id.value, submitted: form.dataset.submitted };
  body.value ? localStorage.setItem(draftKey(form), JSON.stringify(draft)) : localStorage.removeItem(draftKey(form));
}

function restoreDraft() {
  composer().dataset.known = "yes";
  const { body, client_id: id } = composer().elements;
  const draft = JSON.parse(localStorage.getItem(draftKey(composer())));
  if (!draft) return;
  // Something stands there already: a quote, what the browser has kept, or what was typed before this could run.
  const there = body.value;
  if (!there.startsWith(draft.body)) body.value = draft.body.startsWith(there) ? draft.body : `${draft.body}\n${there}`;
  if (!draft.submitted) return;
  [id.value, composer().dataset.submitted] = [draft.id, draft.submitted];
  if (body.value !== draft.submitted) composer().dataset.followed = "yes";
  // The connection, at which it goes, may be there already.
  clearTimeout(retry);
  retry = setTimeout(sendAgain, 1500);
}

// Another page of this room has sent what it had, or thrown it away. Here stands the same, or something else to keep.
window.addEventListener("storage", ({ key, oldValue, newValue }) => {
  if (!composer() || newValue !== null || key !== draftKey(composer())) return;
  const { body, client_id: id } = composer().elements;
  if (body.value === JSON.parse(oldValue).body) {
    clearTimeout(retry);
    // That id may be spent.
    [body.value, id.value] = ["", newId()];
    settle(composer());
    document.getElementById("composer-error").textContent = "";
  }
  keepDraft(composer());
});
