/* What the C client's cases share: reporting to `run`, a session with the events it saw, and
 * checks. */
#ifndef INTEROP_DRIVER_H
#define INTEROP_DRIVER_H

#define THREADED
#include <pthread.h>
#include <setjmp.h>
#include <stdint.h>
#include <zookeeper/zookeeper.h>

enum { kMaxEvents = 64, kPathBytes = 256 };

/* One handle, the state its client reports, and the watch events it got. */
struct session {
  zhandle_t* handle;
  pthread_mutex_t mutex;
  pthread_cond_t changed;
  int state;
  int connects;
  int events; /* how many, the last kMaxEvents of them kept */
  struct {
    int type;
    char path[kPathBytes];
  } event[kMaxEvents];
};

extern const char* address;
extern int reconnect_seconds; /* how long a client may take to come back after a restart */
extern const char* self;      /* this program's path, to run it again as a child */

void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
void ask(const char* line, char* answer, int size);
double now_seconds(void);
void pause_ms(int ms);

/* A failed check ends its case; in another thread it is recorded and the thread goes on. */
void fail(const char* format, ...) __attribute__((format(printf, 1, 2), noreturn));
#define CHECK(condition, ...)            \
  do {                                   \
    if (!(condition)) fail(__VA_ARGS__); \
  } while (0)
#define EXPECT(call, code)                                                               \
  do {                                                                                   \
    int got_ = (call);                                                                   \
    if (got_ != (code))                                                                  \
      fail("line %d: %s: %s, expected %s", __LINE__, #call, zerror(got_), zerror(code)); \
  } while (0)
#define EVENTUALLY(condition, seconds)                                              \
  do {                                                                              \
    double until_ = now_seconds() + (seconds);                                      \
    while (!(condition)) {                                                          \
      if (now_seconds() > until_)                                                   \
        fail("line %d: not within %d s: %s", __LINE__, (int)(seconds), #condition); \
      pause_ms(10);                                                                 \
    }                                                                               \
  } while (0)

struct session* open_session(int timeout_ms);
struct session* resume_session(int timeout_ms, const clientid_t* id);
void close_session(struct session* session);
int wait_for_state(struct session* session, int state, double seconds);
void record_event(zhandle_t* handle, int type, int state, const char* path, void* session);
int count_events(struct session* session, int type, const char* path);

/* The case's own corner of the tree; `root` is created when the case starts. */
extern char root[kPathBytes];
const char* at(
    const char* name); /* root + name, in a buffer of the calling thread, good for four calls */

typedef void (*case_function)(void);
void run_case(const char* name, case_function body);
int chosen(const char* name);

void run_calm(void);
void run_storm(int rounds, unsigned seed);
int run_child(int argc, char** argv);

#endif
