/* A program for tests in images made FROM scratch: does one thing that a container may do, well or badly. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void serve(int port, const char *answer, unsigned address) {
    int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) { perror("listen"); exit(1); }
    fprintf(stderr, "listening on %d\n", port);
    for (;;) {
        char request[4096], reply[4096];
        int client = accept(listener, 0, 0);
        if (client < 0) continue;
        if (read(client, request, sizeof request) > 0) {
            int n = snprintf(reply, sizeof reply, "HTTP/1.1 %s\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello", answer);
            if (write(client, reply, n) < 0) perror("write");
        }
        close(client);
    }
}

int main(int argc, char **argv) {
    const char *verb = argc > 1 ? argv[1] : "serve";
    int number = argc > 2 ? atoi(argv[2]) : 8080;
    setvbuf(stdout, 0, _IOLBF, 0);
    if (!strcmp(verb, "serve")) serve(number, argc > 3 ? argv[3] : "200 OK", INADDR_ANY);
    if (!strcmp(verb, "loopback")) serve(number, "200 OK", INADDR_LOOPBACK);
    if (!strcmp(verb, "exit")) return number;
    if (!strcmp(verb, "print")) {
        for (int i = 0; i < number; i++) { printf("out %d \xff\n", i); fprintf(stderr, "err %d\n", i); }
        printf("no end");
        return 0;
    }
    if (!strcmp(verb, "cat")) {
        int c;
        FILE *file = fopen(argv[2], "r");
        if (!file) { perror(argv[2]); return 1; }
        while ((c = getc(file)) != EOF) putchar(c);
        return 0;
    }
    if (!strcmp(verb, "grep")) {
        char line[4096];
        FILE *file = fopen(argv[2], "r");
        if (!file) { perror(argv[2]); return 1; }
        while (fgets(line, sizeof line, file)) if (strstr(line, argv[3])) fputs(line, stdout);
        return 0;
    }
    if (!strcmp(verb, "env")) {
        for (int i = 2; i < argc; i++) printf("%s=%s\n", argv[i], getenv(argv[i]) ? getenv(argv[i]) : "");
        return 0;
    }
    if (!strcmp(verb, "alloc")) {
        for (long i = 0; i < number; i++) memset(malloc(1 << 20), 1, 1 << 20);
        puts("allocated");
        return 0;
    }
    if (!strcmp(verb, "fork")) {
        for (int i = 0; i < number; i++) {
            pid_t child = fork();
            if (child < 0) { perror("fork"); return 1; }
            if (!child) for (;;) pause();
        }
        printf("%d processes\n", number);
        return 0;
    }
    if (!strcmp(verb, "stubborn")) signal(SIGTERM, SIG_IGN);
    for (;;) pause();
}
