// The ancestor's design in Go: a hub, and for every client a channel of 256 messages with a goroutine that writes.
package main

import (
	"io"
	"net/http"
	"os"
	"sync"

	"github.com/gorilla/websocket"
)

type hub struct {
	sync.Mutex
	clients map[chan []byte]bool
}

var upgrader = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}

func (h *hub) follow(connection *websocket.Conn) {
	messages := make(chan []byte, 256)
	h.Lock()
	h.clients[messages] = true
	h.Unlock()
	go func() {
		for message := range messages {
			if connection.WriteMessage(websocket.TextMessage, message) != nil {
				return
			}
		}
	}()
	for {
		if _, _, err := connection.NextReader(); err != nil {
			break
		}
	}
	h.Lock()
	delete(h.clients, messages)
	h.Unlock()
	close(messages)
	connection.Close()
}

func main() {
	h := &hub{clients: map[chan []byte]bool{}}
	http.HandleFunc("/", func(response http.ResponseWriter, request *http.Request) {
		if request.Method == http.MethodPost {
			message, _ := io.ReadAll(request.Body)
			h.Lock()
			for messages := range h.clients {
				select {
				case messages <- message:
				default:
				}
			}
			h.Unlock()
			response.WriteHeader(http.StatusNoContent)
			return
		}
		if connection, err := upgrader.Upgrade(response, request, nil); err == nil {
			h.follow(connection)
		}
	})
	panic(http.ListenAndServe("127.0.0.1:"+os.Args[1], nil))
}
