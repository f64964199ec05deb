// Notifications and sounds while a page is open but not in front of its reader, where this browser was asked for them.

const wants = (kind) => localStorage.getItem(`notifications:${kind}`) === "yes";
const linkOf = (room) => document.querySelector(`#sidebar a[data-room="${room}"]`);

// Not at once: an own message, or one read on another page, is read by then. A busy room notifies once in that time, of
// a mention if there is one.
const PATIENCE = 1500;
const soon = new Map();
export function notifySoon(room, news) {
  if (!soon.has(room)) setTimeout(notify, PATIENCE, room);
  if (!soon.get(room)?.isMention) soon.set(room, news);
}

async function notify(room) {
  const { position } = soon.get(room), link = linkOf(room);
  soon.delete(room);
  if (!document.hidden || !link || position <= Number(link.dataset.read)) return;
  if (!(await isFirst(room, position))) return;
  if (wants("sounding")) ring();
  if (!wants("shown") || window.Notification?.permission !== "granted") return;
  const words = await wordsOf(link, position);
  if (words && position > Number(link.dataset.read)) show(link, words, position);
}

// One of a browser's pages tells, whichever is first; a browser lets hidden pages wait for different times.
async function isFirst(room, position) {
  const key = `notified:${document.documentElement.dataset.me}:${room}`;
  const claim = () => {
    const isNew = position > Number(localStorage.getItem(key));
    if (isNew) localStorage.setItem(key, position);
    return isNew;
  };
  // Over plain http there are no locks.
  if (!navigator.locks) return claim();
  return new Promise((resolve) =>
    navigator.locks.request(`${key}:${position}`, { ifAvailable: true }, (lock) => {
      resolve(Boolean(lock) && claim());
      // Until the other pages see what was claimed.
      return new Promise((release) => setTimeout(release, PATIENCE));
    }));
}

// Nothing, of a message that is gone again.
async function wordsOf(link, position) {
  try {
    const answer = await fetch(`${link.href}/said/${position}`, { headers: { "X-Unasked": "yes" } });
    if (answer.ok) return await answer.text();
  } catch {
    // The server is away; that something is new is known.
  }
  return "New messages";
}

const showing = new Map();
document.addEventListener("chat:read", ({ detail: { room, position } }) => {
  if (showing.get(room)?.position <= position) showing.get(room).shown.close();
});

function show(link, words, position) {
  const options = { body: words, tag: link.getAttribute("href") };
  try {
    // One for each room, whatever number of pages is open.
    const shown = new Notification(link.querySelector(".one-line").textContent, options);
    showing.set(link.dataset.room, { shown, position });
    shown.addEventListener("click", () => {
      window.focus();
      location.assign(link.href);
    });
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
const panel = document.getElementById("notifications");
panel?.addEventListener("change", async ({ target }) => {
  const kind = target.dataset.notifications;
  if (kind === "shown" && target.checked) target.checked = await asks();
  localStorage.setItem(`notifications:${kind}`, target.checked ? "yes" : "no");
  const isRefused = kind === "shown" && window.Notification?.permission === "denied";
  document.getElementById("notifications-refused").hidden = !isRefused;
  if (kind === "sounding" && target.checked) ring();
});
const asks = async () => (await window.Notification?.requestPermission()) === "granted";
if (panel) panel.hidden = false;
for (const box of panel?.querySelectorAll("[data-notifications]") ?? []) box.checked = wants(box.dataset.notifications);
