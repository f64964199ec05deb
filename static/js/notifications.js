// Notifications and sounds while a page is open but not in front of its reader, if this browser was asked for them.

const wants = (kind) => localStorage.getItem(`notifications:${kind}`) === "yes";

// After a pause, in which the reader's own messages and those of another page become read. A busy room notifies once in
// that time, of a mention if there is one.
const PATIENCE = 1500, soon = new Map(), showing = new Map();
export function notifySoon(room, news) {
  if (!soon.has(room)) setTimeout(notify, PATIENCE, room);
  if (!soon.get(room)?.isMention) soon.set(room, news);
}

async function notify(room) {
  const { position } = soon.get(room), link = document.querySelector(`#sidebar a[data-room="${room}"]`);
  const isRead = () => position <= Number(link.dataset.read);
  soon.delete(room);
  if (!document.hidden || !link || isRead() || !(await isFirst(room, position))) return;
  if (wants("sounding")) ring();
  if (!wants("shown") || window.Notification?.permission !== "granted") return;
  const answer = await fetch(`${link.href}/said/${position}`, { headers: { "X-Unasked": "yes" } }).catch(() => null);
  // An empty answer means that the message was deleted. Without an answer there is still something new.
  const words = answer?.ok ? await answer.text() : "New messages";
  if (!words || isRead()) return;
  try {
    // One for each room, whatever number of pages is open; with the face of the room or person, if they have one.
    const options = { body: words, tag: link.pathname, icon: link.querySelector("img")?.src };
    const shown = new Notification(link.querySelector(".one-line").textContent, options);
    showing.set(room, { shown, position });
    shown.addEventListener("click", () => {
      window.focus();
      location.assign(link.href);
    });
  } catch {
    // Some phones have the constructor, but no notifications of pages.
  }
}

// One of a browser's pages notifies: the last that claimed it, once all can see each other's claims.
async function isFirst(room, position) {
  const key = `notified:${document.documentElement.dataset.me}:${room}`, claim = `${position} ${Math.random()}`;
  if (position <= parseInt(localStorage.getItem(key), 10)) return false;
  localStorage.setItem(key, claim);
  await new Promise((resume) => setTimeout(resume, 300));
  return localStorage.getItem(key) === claim;
}

const close = ({ room, position }) => showing.get(room)?.position <= position && showing.get(room).shown.close();
document.addEventListener("chat:read", ({ detail }) => close(detail));

// A browser plays nothing before its reader has done something on the page.
const ring = () => new Audio(new URL("../sounds/new-message.wav", import.meta.url)).play().catch(() => {});

// The switches in the profile.
const panel = document.getElementById("notifications");
panel?.addEventListener("change", async ({ target }) => {
  const kind = target.dataset.notifications, isShown = kind === "shown";
  if (isShown && target.checked) target.checked = (await window.Notification?.requestPermission()) === "granted";
  localStorage.setItem(`notifications:${kind}`, target.checked ? "yes" : "no");
  document.getElementById("notifications-refused").hidden = !isShown || window.Notification?.permission !== "denied";
  if (kind === "sounding" && target.checked) ring();
});
for (const box of panel?.querySelectorAll("[data-notifications]") ?? []) box.checked = wants(box.dataset.notifications);
