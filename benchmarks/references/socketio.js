// socket.io, over its websocket transport: node socketio.js PORT. The body of a POST goes to everybody in a room.
const { createServer } = require("node:http");
const { Server } = require("socket.io");

const server = createServer((request, response) => {
  if (request.method !== "POST") return;
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    io.to("room").emit("message", Buffer.concat(parts).toString());
    response.writeHead(204).end();
  });
});
const io = new Server(server, { transports: ["websocket"], perMessageDeflate: false, pingInterval: 300000 });
io.on("connection", (socket) => socket.join("room"));
server.listen({ port: Number(process.argv[2]), host: "127.0.0.1", backlog: 2048 });
