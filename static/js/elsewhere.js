// The outboxes of other rooms, loaded when something waits in them: their authors have gone to another room since.
import { isRefusal, markRooms } from "./composer.js";

const { me } = document.documentElement.dataset;
const headers = { "HX-Request": "true", "X-Beside": "yes" };

async function post(key, { fields }) {
  const body = new URLSearchParams(fields), token = fields.client_id.slice(0, 12);
  const request = { method: "POST", body, headers, signal: AbortSignal.timeout(8000) };
  const answer = await fetch(`/rooms/${key.split(":")[2]}/messages`, request);
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const why = page.querySelector(".reason")?.textContent ?? "Not sent.";
  if (answer.headers.has("HX-Redirect") || page.querySelector(`[data-client="${token}"]`)) localStorage.removeItem(key);
  else if (isRefusal(answer)) localStorage.setItem(key, JSON.stringify({ fields, why }));
  else throw new Error("It has to wait.");
}

let isSending = false, again;
export async function sendAll() {
  clearTimeout(again);
  if (isSending) return;
  isSending = true;
  const waiting = new Set([document.getElementById("outbox")?.dataset.room]);
  for (const key of Object.keys(localStorage).filter((each) => each.startsWith(`outbox:${me}:`)).sort()) {
    const room = key.split(":")[2], kept = JSON.parse(localStorage.getItem(key));
    if (kept && !kept.why && !waiting.has(room)) await post(key, kept).catch(() => waiting.add(room));
  }
  isSending = false;
  markRooms();
  if (waiting.size > 1) again = setTimeout(sendAll, 5000);
}
