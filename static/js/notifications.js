// Telling people of what is new while a page is open but not in front of them, where this browser was asked to.
"use strict";

const wants = (what) => localStorage.getItem(`notifications:${what}`) === "yes";

// Not at once: what one writes oneself, or reads on another page, is read by then. A busy room tells once in that time,
// of what means one if anything does.
const PATIENCE = 1500;
const soon = new Map();
function tellSoon(room, news) {
  if (!soon.has(room)) setTimeout(tell, PATIENCE, room);
  if (!soon.get(room)?.isMention) soon.set(room, news);
}

async function tell(room) {
  const { position } = soon.get(room), link = linkOf(room);
  soon.delete(room);
  if (!document.hidden || !link || position <= Number(link.dataset.read)) return;
  if (wants("sounding")) ring();
  if (!wants("shown") || window.Notification?.permission !== "granted") return;
  const words = await inWords(link, position);
  if (words) show(link, words);
}

// Nothing, of a message that is gone again.
async function inWords(link, position) {
  try {
    const answer = await fetch(`${link.href}/said/${position}`, { headers: { "X-Unasked": "yes" } });
    if (answer.ok) return await answer.text();
  } catch {
    // The server is away; that something is new is known.
  }
  return "New messages";
}

function show(link, words) {
  try {
    // One for each room, whatever number of pages is open.
    const shown = new Notification(link.querySelector(".one-line").textContent, { body: words, tag: link.getAttribute("href") });
    shown.addEventListener("click", () => (window.focus(), location.assign(link.href)));
  } catch {
    // Some phones have the name and not the thing.
  }
}

let context;
function ring() {
  context ??= new AudioContext();
  const [tone, volume] = [context.createOscillator(), context.createGain()];
  tone.frequency.value = 660;
  volume.gain.setValueAtTime(0.15, context.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, context.currentTime + 0.4);
  tone.connect(volume).connect(context.destination);
  tone.start();
  tone.stop(context.currentTime + 0.4);
}

// The switches in the profile.
document.addEventListener("change", async ({ target }) => {
  const what = target.dataset.notifications;
  if (!what) return;
  if (what === "shown" && target.checked) target.checked = (await window.Notification?.requestPermission()) === "granted";
  localStorage.setItem(`notifications:${what}`, target.checked ? "yes" : "no");
  document.getElementById("notifications-refused").hidden = what !== "shown" || window.Notification?.permission !== "denied";
  if (what === "sounding" && target.checked) ring();
});
document.addEventListener("DOMContentLoaded", () => {
  const panel = document.getElementById("notifications");
  if (!panel) return;
  panel.hidden = false;
  for (const box of panel.querySelectorAll("[data-notifications]")) box.checked = wants(box.dataset.notifications);
});
