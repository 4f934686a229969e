/* libzookeeper_mt under a rolling replacement: client HOSTS NAME. What it does and says stands in README.md. */
#define THREADED
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <zookeeper/zookeeper.h>

enum { kSessionMs = 30000, kLastEventMs = 60000, kPauseMs = 20, kFolder = 1000, kBytes = 256 };

static volatile int stopping, ended, fired;
static volatile long seen;
static char root[kBytes];

static long now_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void pause_ms(int ms) {
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

/* One write a line, so that lines of two threads do not mix. */
#define SAY(...)                                     \
    do {                                             \
        char line_[kBytes];                          \
        int size_ = snprintf(line_, kBytes, __VA_ARGS__); \
        if (write(1, line_, (size_t)size_) != size_) exit(2); \
    } while (0)

static int is_unanswered(int code) { return code == ZCONNECTIONLOSS || code == ZOPERATIONTIMEOUT; }

static void on_session(zhandle_t *handle, int type, int state, const char *path, void *context) {
    (void)handle, (void)path, (void)context;
    if (type == ZOO_SESSION_EVENT && state == ZOO_EXPIRED_SESSION_STATE && !stopping)
        SAY("lost the session of the C client has expired\n");
}

static zhandle_t *connected(const char *hosts) {
    zhandle_t *handle = zookeeper_init(hosts, on_session, kSessionMs, NULL, NULL, 0);
    for (long until = now_ms() + kSessionMs; handle != NULL && zoo_state(handle) != ZOO_CONNECTED_STATE; pause_ms(10))
        if (now_ms() > until) exit(3);
    return handle;
}

/* Again until there is an answer; of one whose first answer was lost, that it is done. */
static void create_for_sure(zhandle_t *handle, const char *path, const char *data, int flags) {
    int code;
    do {
        code = zoo_create(handle, path, data, (int)strlen(data), &ZOO_OPEN_ACL_UNSAFE, flags, NULL, 0);
        if (is_unanswered(code)) pause_ms(50);
    } while (is_unanswered(code));
    if (code != ZOK && code != ZNODEEXISTS) SAY("lost create %s: %s\n", path, zerror(code));
}

static void on_change(zhandle_t *handle, int type, int state, const char *path, void *context) {
    (void)handle, (void)state, (void)path, (void)context;
    if (type == ZOO_CHANGED_EVENT) fired = 1; /* of connections it is not to know: the watch stays */
}

/* Reads the node again whenever its watch fires. */
static void *watch(void *handle) {
    char data[64];
    while (!ended) {
        int size = sizeof data - 1;
        fired = 0;
        if (zoo_wget(handle, root, on_change, NULL, data, &size, NULL) != ZOK) {
            pause_ms(50);
            continue;
        }
        data[size < 0 ? 0 : size] = 0;
        seen = atol(data);
        while (!fired && !ended) pause_ms(5);
    }
    return NULL;
}

static void *await_word(void *unused) {
    char word[16];
    if (fgets(word, sizeof word, stdin) == NULL) exit(0); /* nobody waits for us any more */
    stopping = 1;
    return unused;
}

static long write_all(zhandle_t *handle) {
    long number = 0;
    char path[kBytes * 2], folder[kBytes + 16], text[32];
    while (!stopping) {
        ++number;
        snprintf(folder, sizeof folder, "%s/%05ld", root, number / kFolder);
        snprintf(path, sizeof path, "%s/%08ld", folder, number);
        int code = zoo_create(handle, path, "xxxxxxxxxxxxxxxxxxxx", 20, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        if (code == ZOK) SAY("ack %ld %ld\n", number, now_ms());
        if (code == ZNONODE) create_for_sure(handle, folder, "", 0);
        snprintf(text, sizeof text, "%ld", number);
        if (code == ZOK && number % 10 == 0) zoo_set(handle, root, text, (int)strlen(text), -1);
        pause_ms(kPauseMs);
    }
    snprintf(text, sizeof text, "%ld", number);
    while (is_unanswered(zoo_set(handle, root, text, (int)strlen(text), -1))) pause_ms(50);
    return number;
}

int main(int argc, char **argv) {
    if (argc < 3) return 2;
    pthread_t thread;
    char path[kBytes * 2], word[16];
    snprintf(root, sizeof root, "/load-%s", argv[2]);
    snprintf(path, sizeof path, "%s/alive", root);
    zoo_set_debug_level(ZOO_LOG_LEVEL_ERROR);
    zhandle_t *writer = connected(argv[1]), *watcher = connected(argv[1]);
    create_for_sure(writer, root, "0", 0);
    create_for_sure(writer, path, "C", ZOO_EPHEMERAL);
    SAY("session %lld\n", (long long)zoo_client_id(writer)->client_id);
    pthread_create(&thread, NULL, watch, watcher);
    pthread_create(&thread, NULL, await_word, NULL);
    long last = write_all(writer);
    for (long until = now_ms() + kLastEventMs; seen != last && now_ms() < until;) pause_ms(50);
    ended = 1;
    SAY("%s %ld %ld\n", seen == last ? "done" : "stale", seen, last);
    if (fgets(word, sizeof word, stdin) == NULL) _exit(0); /* the ephemeral node is looked at meanwhile */
    _exit(0);
}
