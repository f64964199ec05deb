// Node's `ws` as a chat that keeps its messages: node ws_insert.js DATABASE_URL PORT. The body of a POST is inserted and
// committed, then goes to every websocket.
const { createServer } = require("node:http");
const { Pool } = require("pg");
const { WebSocketServer } = require("ws");

const pool = new Pool({ connectionString: process.argv[2] });
const sockets = new WebSocketServer({ noServer: true, perMessageDeflate: false });
const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", async () => {
    const text = Buffer.concat(parts);
    await pool.query("INSERT INTO reference_messages (room, body) VALUES (1, $1)", [text.toString()]);
    for (const socket of sockets.clients) socket.send(text, { binary: false });
    response.writeHead(204).end();
  });
});
server.on("upgrade", (request, socket, head) => sockets.handleUpgrade(request, socket, head, () => {}));
server.listen({ port: Number(process.argv[3]), host: "127.0.0.1", backlog: 2048 });
