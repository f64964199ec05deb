// New versions of messages: an older one never takes the place of a newer, and none that of an editor in use.
"use strict";

const newer = (one, other) => (other && Number(other.dataset.revision) > Number(one.dataset.revision) ? other : one);

// What became of messages while they are edited here, and of some that this page does not show, but may fetch any moment.
const waiting = new Map(), unseen = new Map();
const MOST_UNSEEN = 500;

function keepUnseen(fresh) {
  unseen.delete(fresh.id);
  unseen.set(fresh.id, fresh);
  if (unseen.size > MOST_UNSEEN) unseen.delete(unseen.keys().next().value);
}

// An answer to this page may be overtaken by what somebody else did after it; their order is in the revisions.
function versionFor(shown, fresh, source) {
  const version = newer(fresh, waiting.get(fresh.id));
  const editor = shown.querySelector(".editor"), menu = shown.querySelector(".message-actions");
  const isLeaving = editor?.contains(source), isAnswered = menu?.contains(source);
  if (editor && !isLeaving) return (waiting.set(fresh.id, version), null);
  waiting.delete(fresh.id);
  if (isAnswered) menu.remove();
  if (!isLeaving && newer(shown, version) === shown) return null;
  if (menu && !isAnswered && !version.matches(".deleted")) {
    // htmx gives the keyboard to what asks for it whenever it is put in; this has had it.
    menu.querySelector("[autofocus]")?.removeAttribute("autofocus");
    version.append(menu);
  }
  return version;
}

document.addEventListener("htmx:before:swap", ({ detail: { ctx, tasks } }) => {
  for (const task of [...tasks]) {
    for (const fresh of task.fragment?.querySelectorAll(".message") ?? []) {
      const shown = document.getElementById(fresh.id);
      if (!shown && !task.target) keepUnseen(fresh);
      const version = shown ? versionFor(shown, fresh, ctx.sourceElement) : newer(fresh, unseen.get(fresh.id));
      if (version) fresh.replaceWith(version);
      else fresh.remove();
      if (!task.fragment.childElementCount) tasks.splice(tasks.indexOf(task), 1);
    }
  }
});

// What is typed into an editor outlives the page.
const editors = () => document.querySelectorAll(".message .editor textarea");
let opened = [];
document.addEventListener("input", ({ target }) => [...editors()].includes(target) && sessionStorage.setItem(target.id, target.value));
document.addEventListener("htmx:after:swap", () => {
  const open = [...editors()];
  for (const menu of document.querySelectorAll(".message:has(.editor) > .message-actions")) menu.remove();
  for (const box of open) if (!opened.includes(box)) box.value = sessionStorage.getItem(box.id) ?? box.value;
  for (const { id } of opened) if (!open.some((box) => box.id === id)) sessionStorage.removeItem(id);
  opened = open;
});
