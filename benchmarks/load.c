/* Opens many websockets and tells when a stamped message has reached all of them.
 *
 *     load PORT COUNT REQUESTS [SOURCES [GREETING]]
 *
 * REQUESTS is a file of handshakes, one after the other, each ended by an empty line (RFC 6455, 4.1); they are used in
 * turn. Prints "open SECONDS" when all are connected, then "done STAMP NANOSECONDS" (CLOCK_MONOTONIC) when the stamp
 * has been seen on every connection, and "lost COUNT" when connections close. Ends when its input does, with
 * "cpu SECONDS". SOURCES addresses 127.0.0.2, 127.0.0.3, ... are used, because one has only some 28,000 ports. GREETING is
 * a text of at most 125 bytes to send once a connection is open.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define STAMPS 1000000
#define MARK "stamp-"
#define DIGITS 8
#define MARKED (sizeof MARK - 1 + DIGITS)
#define AT_ONCE 200 /* handshakes under way: more would overflow the listener's queue */

struct connection {
    int fd;
    int open;
    char rest[MARKED]; /* the end of what came before: a stamp may be cut in two */
    int rest_size;
    uint64_t skip; /* payload bytes of the current frame still to come */
    unsigned char header[14];
    int header_size;
    unsigned char ping[125];
    int ping_size;
    int is_ping;
};

static int *seen;
static int count, opened, lost;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void scan(struct connection *c, const char *data, size_t size) {
    static char joined[1 << 17];
    memcpy(joined, c->rest, (size_t)c->rest_size);
    memcpy(joined + c->rest_size, data, size);
    size_t all = (size_t)c->rest_size + size, from = 0;
    char *found;
    while ((found = memmem(joined + from, all - from, MARK, sizeof MARK - 1)) != NULL) {
        size_t at = (size_t)(found - joined);
        if (all - at < MARKED) break;
        char digits[DIGITS + 1] = {0};
        memcpy(digits, found + sizeof MARK - 1, DIGITS);
        int stamp = atoi(digits);
        if (stamp >= 0 && stamp < STAMPS && ++seen[stamp] == count) {
            printf("done %d %llu\n", stamp, (unsigned long long)now());
            fflush(stdout);
        }
        from = at + MARKED;
    }
    size_t keep = all - from < MARKED - 1 ? all - from : MARKED - 1;
    memcpy(c->rest, joined + all - keep, keep);
    c->rest_size = (int)keep;
}

/* Follows the frames (RFC 6455, 5.2) only as far as answering pings needs. */
static void frames(struct connection *c, const unsigned char *data, size_t size) {
    for (size_t i = 0; i < size;) {
        if (c->skip > 0) {
            size_t part = size - i < c->skip ? size - i : (size_t)c->skip;
            if (c->is_ping) {
                memcpy(c->ping + c->ping_size, data + i, part);
                c->ping_size += (int)part;
            }
            i += part;
            c->skip -= part;
            if (c->skip == 0 && c->is_ping) {
                unsigned char pong[6 + 125] = {0x8a, (unsigned char)(0x80 | c->ping_size)};
                memcpy(pong + 6, c->ping, (size_t)c->ping_size);
                if (write(c->fd, pong, 6 + (size_t)c->ping_size) < 0) perror("pong");
            }
            continue;
        }
        c->header[c->header_size++] = data[i++];
        if (c->header_size < 2) continue;
        int length = c->header[1] & 0x7f, more = length == 126 ? 2 : length == 127 ? 8 : 0;
        if (c->header_size < 2 + more) continue;
        c->skip = (uint64_t)length;
        if (more) {
            c->skip = 0;
            for (int k = 0; k < more; k++) c->skip = c->skip << 8 | c->header[2 + k];
        }
        c->is_ping = (c->header[0] & 0x0f) == 9 && c->skip <= 125;
        c->ping_size = 0;
        c->header_size = 0;
    }
}

int main(int argc, char **argv) {
    if (argc < 4) return 2;
    int port = atoi(argv[1]), sources = argc > 4 ? atoi(argv[4]) : 1;
    count = atoi(argv[2]);
    FILE *file = fopen(argv[3], "r");
    if (!file) return perror(argv[3]), 1;
    static char requests[1 << 24];
    size_t length = fread(requests, 1, sizeof requests - 1, file);
    char **request = malloc(sizeof *request * 100000);
    int variants = 0;
    for (char *p = requests; p < requests + length && variants < 100000;) {
        char *end = strstr(p, "\r\n\r\n");
        if (!end) break;
        request[variants++] = strndup(p, (size_t)(end + 4 - p));
        p = end + 4;
    }
    if (!variants) return fprintf(stderr, "no requests\n"), 1;
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    seen = calloc(STAMPS, sizeof *seen);
    struct connection *connections = calloc((size_t)count, sizeof *connections);
    int epoll = epoll_create1(0), started = 0;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    uint64_t begin = now();
    for (;;) {
        while (started < count && started - opened - lost < AT_ONCE) {
            struct connection *c = &connections[started];
            c->fd = socket(AF_INET, SOCK_STREAM, 0);
            struct sockaddr_in from = {.sin_family = AF_INET}, to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
            from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)(started % sources));
            to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
            int yes = 1;
            setsockopt(c->fd, IPPROTO_IP, 24 /* IP_BIND_ADDRESS_NO_PORT */, &yes, sizeof yes);
            if (bind(c->fd, (struct sockaddr *)&from, sizeof from) < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) < 0)
                return perror("connect"), 1;
            const char *text = request[started % variants];
            if (write(c->fd, text, strlen(text)) < 0) return perror("handshake"), 1;
            fcntl(c->fd, F_SETFL, O_NONBLOCK);
            struct epoll_event watched = {.events = EPOLLIN, .data.ptr = c};
            epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &watched);
            started++;
        }
        struct epoll_event events[512];
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            static char data[1 << 16];
            struct connection *c = events[i].data.ptr;
            if (!c) {
                if (read(STDIN_FILENO, data, sizeof data) > 0) continue;
                struct rusage used;
                getrusage(RUSAGE_SELF, &used);
                printf("cpu %.3f\n", (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
                return 0;
            }
            ssize_t size = read(c->fd, data, sizeof data);
            if (size < 0 && errno == EAGAIN) continue;
            if (size <= 0) {
                close(c->fd);
                printf("lost %d\n", ++lost);
                fflush(stdout);
                continue;
            }
            char *body = data;
            if (!c->open) {
                data[size < (ssize_t)sizeof data ? size : size - 1] = 0;
                if (strncmp(data, "HTTP/1.1 101", 12)) return fprintf(stderr, "%.200s\n", data), 1;
                char *end = strstr(data, "\r\n\r\n");
                if (!end) return fprintf(stderr, "handshake in pieces\n"), 1;
                body = end + 4;
                c->open = 1;
                if (argc > 5) {
                    unsigned char hello[6 + 125] = {0x81, (unsigned char)(0x80 | strlen(argv[5]))};
                    memcpy(hello + 6, argv[5], strlen(argv[5]));
                    if (write(c->fd, hello, 6 + strlen(argv[5])) < 0) return perror("greeting"), 1;
                }
                if (++opened == count) {
                    printf("open %.3f\n", (double)(now() - begin) / 1e9);
                    fflush(stdout);
                }
            }
            size_t rest = (size_t)(data + size - body);
            if (rest) {
                frames(c, (unsigned char *)body, rest);
                scan(c, body, rest);
            }
        }
    }
}
