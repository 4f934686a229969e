/* ZooKeeper's C client (libzookeeper_mt) against one server. Arguments: HOST:PORT SEED STORM_ROUNDS ONLY.
 * `run` reads the lines starting with @. */
#include "driver.h"

#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

const char *address;
const char *self;
int reconnect_seconds = 15;
char root[kPathBytes];

static regex_t only;
static jmp_buf leave_case;
static pthread_t case_thread;
static char failure[1024];
static pthread_mutex_t output = PTHREAD_MUTEX_INITIALIZER;

void say(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    pthread_mutex_lock(&output);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
    pthread_mutex_unlock(&output);
    va_end(arguments);
}

void ask(const char *line, char *answer, int size) {
    say("%s", line);
    if (fgets(answer, size, stdin) == NULL || strncmp(answer, "ok", 2) != 0) {
        fprintf(stderr, "no answer to %s\n", line);
        exit(2);
    }
}

double now_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void pause_ms(int ms) {
    struct timespec pause = {ms / 1000, (ms % 1000) * 1000000L};
    nanosleep(&pause, NULL);
}

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    if (failure[0] == 0) vsnprintf(failure, sizeof failure, format, arguments);
    va_end(arguments);
    if (pthread_equal(pthread_self(), case_thread)) longjmp(leave_case, 1);
    pthread_exit(NULL);
}

void record_event(zhandle_t *handle, int type, int state, const char *path, void *context) {
    struct session *session = context;
    (void)handle;
    pthread_mutex_lock(&session->mutex);
    if (type == ZOO_SESSION_EVENT) {
        if (state == ZOO_CONNECTED_STATE && session->state != state) session->connects++;
        session->state = state;
    } else {
        int slot = session->events++ % kMaxEvents;
        session->event[slot].type = type;
        snprintf(session->event[slot].path, kPathBytes, "%s", path);
    }
    pthread_cond_broadcast(&session->changed);
    pthread_mutex_unlock(&session->mutex);
}

int count_events(struct session *session, int type, const char *path) {
    int count = 0;
    pthread_mutex_lock(&session->mutex);
    for (int i = 0; i < session->events && i < kMaxEvents; ++i)
        count += (type == 0 || session->event[i].type == type) && strcmp(session->event[i].path, path) == 0;
    pthread_mutex_unlock(&session->mutex);
    return count;
}

int wait_for_state(struct session *session, int state, double seconds) {
    double until = now_seconds() + seconds;
    while (session->state != state) {
        if (now_seconds() > until) return 0;
        pause_ms(5);
    }
    return 1;
}

struct session *resume_session(int timeout_ms, const clientid_t *id) {
    struct session *session = calloc(1, sizeof *session);
    pthread_mutex_init(&session->mutex, NULL);
    pthread_cond_init(&session->changed, NULL);
    session->handle = zookeeper_init(address, record_event, timeout_ms, id, session, 0);
    return session;
}

struct session *open_session(int timeout_ms) {
    struct session *session = resume_session(timeout_ms, NULL);
    CHECK(session->handle != NULL && wait_for_state(session, ZOO_CONNECTED_STATE, 15), "no connection");
    return session;
}

void close_session(struct session *session) {
    zookeeper_close(session->handle);
    free(session);
}

const char *at(const char *name) {
    static __thread char buffers[4][kPathBytes * 2];
    static __thread int next;
    char *buffer = buffers[next++ % 4];
    snprintf(buffer, kPathBytes * 2, "%s%s", root, name);
    return buffer;
}

int chosen(const char *name) {
    return regexec(&only, name, 0, NULL, 0) == 0;
}

void run_case(const char *name, case_function body) {
    if (!chosen(name)) return;
    double began = now_seconds();
    failure[0] = 0;
    case_thread = pthread_self();
    alarm(100); /* a case that hangs ends the program, and `run` says so */
    if (setjmp(leave_case) == 0) {
        struct session *session = open_session(10000);
        zoo_create(session->handle, "/c", NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        snprintf(root, sizeof root, "/c/%s", name);
        EXPECT(zoo_create(session->handle, root, NULL, -1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);
        close_session(session);
        body();
    }
    alarm(0);
    if (failure[0]) say("@fail %s %.2f %s", name, now_seconds() - began, failure);
    else say("@pass %s %.2f", name, now_seconds() - began);
}

int main(int argc, char **argv) {
    self = argv[0];
    zoo_set_debug_level(getenv("INTEROP_LOG") ? ZOO_LOG_LEVEL_DEBUG : ZOO_LOG_LEVEL_ERROR);
    if (argc > 1 && strcmp(argv[1], "child") == 0) return run_child(argc - 2, argv + 2);
    if (argc < 4) return 2;
    address = argv[1];
    regcomp(&only, argc > 4 ? argv[4] : "", REG_EXTENDED | REG_NOSUB);
    /* Java's server may swallow a connection made while it starts; the client then waits 20 s. */
    const char *server = getenv("INTEROP_SERVER");
    if (server != NULL && strcmp(server, "java") == 0) reconnect_seconds = 45;
    run_calm();
    if (atoi(argv[3]) > 0 && chosen("storm")) run_storm(atoi(argv[3]), (unsigned)atoi(argv[2]));
    fflush(stdout);
    _exit(0);
}
