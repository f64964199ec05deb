/* The limit: one thread, epoll, and one send() of a prebuilt frame to every socket.
 *
 *     limit PORT
 *
 * A GET becomes a websocket, from any client; the body of a POST goes to all of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MOST 100000

static const char ACCEPTED[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static const char DONE[] = "HTTP/1.1 204 No Content\r\n\r\n";
static int sockets[MOST], count;

static size_t frame(unsigned char *out, const char *text, size_t size) {
    size_t head = 2;
    out[0] = 0x81;
    if (size < 126) {
        out[1] = (unsigned char)size;
    } else {
        out[1] = 126;
        out[2] = (unsigned char)(size >> 8);
        out[3] = (unsigned char)size;
        head = 4;
    }
    memcpy(out + head, text, size);
    return head + size;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    int listener = socket(AF_INET, SOCK_STREAM, 0), yes = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 2048) < 0)
        return perror("listen"), 1;
    int epoll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.fd = listener};
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        struct epoll_event events[512];
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            static char data[1 << 16];
            static unsigned char out[1 << 17];
            int fd = events[i].data.fd;
            if (fd == listener) {
                int accepted = accept(listener, NULL, NULL);
                setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
                struct epoll_event watched = {.events = EPOLLIN, .data.fd = accepted};
                epoll_ctl(epoll, EPOLL_CTL_ADD, accepted, &watched);
                continue;
            }
            ssize_t size = read(fd, data, sizeof data - 1);
            if (size <= 0) {
                for (int k = 0; k < count; k++)
                    if (sockets[k] == fd) sockets[k--] = sockets[--count];
                close(fd);
                continue;
            }
            data[size] = 0;
            if (!strncmp(data, "GET", 3)) {
                if (write(fd, ACCEPTED, sizeof ACCEPTED - 1) > 0 && count < MOST) sockets[count++] = fd;
            } else if (!strncmp(data, "POST", 4)) {
                char *body = strstr(data, "\r\n\r\n");
                char *given = strcasestr(data, "content-length:");
                if (!body || !given) continue;
                /* The body may come in a packet of its own. */
                ssize_t whole = body + 4 - data + atoi(given + 15);
                while (size < whole && whole < (ssize_t)sizeof data) {
                    ssize_t more = read(fd, data + size, (size_t)(whole - size));
                    if (more <= 0) break;
                    size += more;
                }
                size_t length = frame(out, body + 4, (size_t)(data + size - body - 4));
                for (int k = 0; k < count; k++)
                    if (send(sockets[k], out, length, MSG_NOSIGNAL) < 0) perror("send");
                if (write(fd, DONE, sizeof DONE - 1) < 0) perror("answer");
            }
        }
    }
}
