// The outboxes of other rooms, loaded where something waits in them: their authors have gone to another page since.
import { isRefusal, markRooms } from "./composer.js";

const { me } = document.documentElement.dataset;
const headers = { "HX-Request": "true", "X-Beside": "yes" };

async function post(key, { fields }) {
  const body = new URLSearchParams(fields), token = fields.client_id.slice(0, 12);
  const answer = await fetch(`/rooms/${key.split(":")[2]}/messages`, { method: "POST", body, headers });
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const why = page.querySelector(".reason")?.textContent ?? "Not sent.";
  if (answer.headers.has("HX-Redirect") || page.querySelector(`[data-client="${token}"]`)) localStorage.removeItem(key);
  else if (isRefusal(answer)) localStorage.setItem(key, JSON.stringify({ fields, why }));
  else throw new Error("It has to wait.");
}

async function sendAll() {
  const waiting = new Set([document.getElementById("outbox")?.dataset.room]);
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(`outbox:${me}:`)).sort()) {
    const room = key.split(":")[2], kept = JSON.parse(localStorage.getItem(key));
    if (kept && !kept.why && !waiting.has(room)) await post(key, kept).catch(() => waiting.add(room));
  }
  markRooms();
  if (waiting.size > 1) setTimeout(sendAll, 5000);
}

sendAll();
