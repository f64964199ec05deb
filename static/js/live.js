// The connection: resumes where the page is, tells when it is lost, and brings changes made elsewhere.

// An element of a frame acts once, when htmx puts it into the page, and goes.
export function onElement(name, act) {
  customElements.define(`chat-${name}`, class extends HTMLElement {
    connectedCallback() {
      this.remove();
      act(this.dataset);
    }
  });
}

// For what need not come before the page is painted. A hidden page is not painted.
export const afterPaint = (act, on) => document.hidden ? act(on) : requestAnimationFrame(() => setTimeout(act, 0, on));

// The room whose changes this page shows, and up to which revision; none in a part of the past. A part that was kept or
// fetched ahead shows the room as it was some seconds ago.
const place = () => ({
  ...document.getElementById("room-news")?.dataset,
  after: document.getElementById("messages")?.dataset.revision ?? "0",
  age: Math.ceil(Math.abs(Date.now() - (document.getElementById("main").dataset.at ?? Date.now())) / 1000),
});
const asked = {}, isOpen = () => live?.socket?.readyState === WebSocket.OPEN;
let live, deaf, heardAt = Date.now(), followed, switches = 0, posts = 0, isBehind, hasMissed, patience = 0;

document.addEventListener("htmx:ws:before:connection", ({ detail: { connection } }) => {
  const { room, epoch, after } = place(), path = room ? `/rooms/${room}/live?after=${after}&epoch=${epoch}` : "/live?";
  connection.url = new URL(path, connection.url).href;
  // A proxy may end a connection with any code. Only the server's own, above 4000, end it for good.
  connection.config.reconnectCodes = { includes: (code) => code < 4000 };
  [followed, live] = [room, connection];
});

// Only after the swap are all messages up to a revision in place. A frame names it, or its last message does.
const reach = ({ revision }) => document.addEventListener("htmx:after:swap", () =>
  document.getElementById("messages")?.setAttribute("data-revision", revision), { once: true });
onElement("cursor", ({ cursor }) => reach({ revision: cursor }));
document.addEventListener("chat:message", ({ detail }) => detail.from.id === "live" && !isBehind && reach(detail));

// The socket stays when the page shows another room. Until the server says that it has left the former one, frames may
// be about that; what else they brought comes with the next sidebar.
function follow(isAnew) {
  const { room, epoch, after, age } = place();
  // A socket that is being opened tells it when it is open.
  if ((room === followed && !(room && isAnew)) || !isOpen()) return;
  [followed, isBehind, heardAt] = [room, true, Date.now()];
  live.socket.send(`switch ${++switches} ${room ?? 0} ${after} ${age} ${epoch ?? "-"}`);
}
// Before the page is painted and says where it goes, an answer to its switch before may come, and counts for nothing.
document.addEventListener("chat:leave", () => followed && ([switches, isBehind] = [switches + 1, true]));
document.addEventListener("htmx:before:swap", (event) => {
  if (!isBehind || event.detail.ctx.sourceElement?.id !== "live") return;
  event.preventDefault();
  hasMissed = true;
}, true);
document.addEventListener("htmx:ws:before:message:incoming", (event) => {
  const { message } = event.detail, [, number, html] = /^(?:un)?posted (\d+) ?(.*)/s.exec(message.data) ?? [];
  // A frame of nothing but new messages does not say where they go.
  message.data = message.data.replace(/^<li.*/s, '<hx-partial hx-target="#messages" hx-swap="upsert">$&</hx-partial>');
  if (number || isBehind) event.preventDefault();
  asked[number]?.(html);
  if (number || !isBehind) return;
  isBehind = message.data !== `switched ${switches}`;
  if (!isBehind && hasMissed) htmx.trigger("#sidebar-news", "news");
  hasMissed = isBehind;
});
document.addEventListener("htmx:after:swap", ({ detail: { ctx } }) => afterPaint(follow, ctx.target?.id === "main"));

// A short text is posted over the socket, which costs less than a request. What is not posted so, or not answered in
// time, is sent as a form. It is posted once, because both have the same client id. A socket that has not answered is
// asked nothing more.
async function post(action, request) {
  const { body, client_id, ...more } = Object.fromEntries(request.body ?? []), number = ++posts;
  const isShort = request.form?.closest(".unsent") && String(request.body).length < 2000 && !/^\/|@|:\/\//.test(body);
  if (!isShort || Object.values(more).join("") || !isOpen() || live.socket === deaf) return fetch(action, request);
  live.socket.send(`post ${number} ${action.split("/")[2]} ${client_id}\n${body}`);
  const html = await new Promise((end) => setTimeout((asked[number] = end), 3000)).finally(() => delete asked[number]);
  if (html === undefined) deaf = live.socket;
  return html ? new Response(html) : fetch(action, request);
}
document.addEventListener("htmx:config:request", ({ detail: { ctx } }) => (ctx.fetch = post));

// The room around the messages has changed: its name, the right to post, its pins.
const loadNews = (places) => document.querySelectorAll(places).forEach((each) => htmx.trigger(each, "news"));
onElement("news", () => loadNews("#room-news"));

document.addEventListener("htmx:ws:after:connection", () => {
  if (document.documentElement.dataset.connection) loadNews("#room-news, #sidebar-news");
  [heardAt, isBehind] = [Date.now(), false];
  // The page may have switched rooms while it connected.
  follow();
  document.documentElement.dataset.connection = "open";
  document.querySelector("#notice > .unreached")?.remove();
});

// A notice of a failure goes when a later action succeeds. Requests that the page makes by itself do not count.
document.addEventListener("htmx:after:request", ({ detail: { ctx: { response, request } } }) =>
  response.status < 400 && !request.headers["X-Unasked"] &&
    document.querySelector("#notice > :is(.unreached, .mistaken)")?.remove());

// The server sends a frame every 15 seconds. After sleep, or in another network, a socket may be dead without notice.
// This clock goes on while the computer sleeps, and may be set back.
function doubtSilence() {
  if (!live?.socket || Math.abs(Date.now() - heardAt) < (isBehind && isOpen() ? 5000 : 35_000)) return;
  heardAt = Date.now();
  live.socket.dispatchEvent(new CloseEvent("close", { code: 1006 }));
}
setInterval(doubtSilence, 5000);
document.addEventListener("visibilitychange", doubtSilence);
document.addEventListener("htmx:ws:after:message:incoming", () => (heardAt = Date.now()));

document.addEventListener("htmx:ws:close", ({ detail: { code } }) => {
  for (const end of Object.values(asked)) end();
  // The server has said why in a notice, unless the page goes to another room.
  if (isBehind && code > 4000) location.reload();
  document.documentElement.dataset.connection = code !== null && code < 4000 ? "lost" : "closed";
});

// A page from the back/forward cache has a closed socket that htmx does not open again.
window.addEventListener("pageshow", (event) => event.persisted && location.reload());

// Actions on a message are not repeated automatically, as sending is.
document.addEventListener("htmx:error", ({ target }) => target.closest?.("#messages, #bar, #menu") && tellUnreached());
export const tellUnreached = () =>
  document.getElementById("notice").replaceChildren(document.getElementById("unreached").content.cloneNode(true));

// Leaving or deleting a room brings this element before the answer, which must not be broken off. But the page stays
// after a link that starts a download or another program.
window.addEventListener("beforeunload", () => (patience = 5000));
onElement("left", ({ room }) => setTimeout(() =>
  `${location.pathname}/`.startsWith(`/rooms/${room}/`) && location.assign("/"), patience));

onElement("preferences", (chosen) => Object.assign(document.documentElement.dataset, chosen));

// Not while a form here has unsent input; at a random moment, so that not all pages reload at once.
const loadPage = () => document.querySelector("#main [data-changed]") || htmx.trigger("#page-news", "news");
onElement("pages", ({ paths }) =>
  paths.split(" ").includes(location.pathname) && setTimeout(loadPage, 700 * Math.random()));
