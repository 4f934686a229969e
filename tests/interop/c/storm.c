/* Workers on a few sessions while the server is killed and restarted at random moments: the lock recipe of
 * the manual, an exactly-once queue by multi, membership, and a watched copy of a node. */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { kSessions = 3, kMaxItems = 20000 };

static struct session *sessions[kSessions];
static volatile int over;
static pthread_mutex_t judge = PTHREAD_MUTEX_INITIALIZER;
static char lock_problem[256], queue_problem[256], copy_problem[256];
static int inside, sections;
static int64_t last_token;
static unsigned char taken[kMaxItems];
static volatile int produced, consumed, changes, watched_changes;

static void problem(char *where, const char *text) {
    pthread_mutex_lock(&judge);
    if (where[0] == 0) snprintf(where, 256, "%s", text);
    pthread_mutex_unlock(&judge);
}

/* The call again until an answer comes: the codes of a lost connection are the storm. */
#define PERSIST(code, call) \
    do { \
        while (((code) = (call)) == ZCONNECTIONLOSS || (code) == ZOPERATIONTIMEOUT) pause_ms(20); \
    } while (0)

static const char *sequence(const char *name) {
    return name + strlen(name) - 10;
}

/* The first node at or after which `mine` waits: its predecessor in `before`, or none. 0 when mine is missing. */
static int find_predecessor(zhandle_t *handle, const char *folder, const char *mine, char *before, int64_t *token) {
    struct String_vector names;
    struct Stat stat;
    int code, found = 0;
    PERSIST(code, zoo_get_children(handle, folder, 0, &names));
    if (code != ZOK) return 0;
    before[0] = 0;
    for (int i = 0; i < names.count; ++i) {
        const char *name = names.data[i];
        if (strcmp(name, mine) == 0) found = 1;
        else if (strcmp(sequence(name), sequence(mine)) < 0 &&
                 (before[0] == 0 || strcmp(sequence(name), sequence(before)) > 0))
            snprintf(before, kPathBytes, "%s", name);
    }
    deallocate_String_vector(&names);
    if (found && before[0] == 0) {
        char path[kPathBytes * 2];
        snprintf(path, sizeof path, "%s/%s", folder, mine);
        PERSIST(code, zoo_exists(handle, path, 0, &stat));
        *token = stat.czxid;
        return code == ZOK;
    }
    return found;
}

/* Creates the contender's node; a create whose reply was lost is found again by its unique prefix. */
static int create_contender(zhandle_t *handle, const char *folder, const char *prefix, char *name) {
    char path[kPathBytes * 2], made[kPathBytes * 2];
    snprintf(path, sizeof path, "%s/%s", folder, prefix);
    for (;;) {
        int code = zoo_create(handle, path, "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL_SEQUENTIAL, made, sizeof made);
        if (code == ZOK) {
            snprintf(name, kPathBytes, "%s", strrchr(made, '/') + 1);
            return 1;
        }
        if (code != ZCONNECTIONLOSS && code != ZOPERATIONTIMEOUT) return 0;
        struct String_vector names;
        PERSIST(code, zoo_get_children(handle, folder, 0, &names));
        if (code != ZOK) return 0;
        int found = 0;
        for (int i = 0; i < names.count; ++i)
            if (strncmp(names.data[i], prefix, strlen(prefix)) == 0) {
                snprintf(name, kPathBytes, "%s", names.data[i]);
                found = 1;
            }
        deallocate_String_vector(&names);
        if (found) return 1;
    }
}

static void wake(zhandle_t *handle, int type, int state, const char *path, void *flag) {
    (void)handle, (void)type, (void)state, (void)path;
    *(volatile int *)flag = 1;
}

static volatile int wakes[kSessions * 2 + 2];

static void hold_lock(int number, const char *folder, char *where, int *count) {
    zhandle_t *handle = sessions[number % kSessions]->handle;
    static int serial;
    char prefix[64], mine[kPathBytes], before[kPathBytes], path[kPathBytes * 2];
    int64_t token = 0;
    struct Stat stat;
    snprintf(prefix, sizeof prefix, "%d-%d-", number, __sync_add_and_fetch(&serial, 1));
    if (!create_contender(handle, folder, prefix, mine)) {
        problem(where, "a contender's node could not be created");
        return;
    }
    for (;;) {
        if (!find_predecessor(handle, folder, mine, before, &token)) {
            problem(where, "a contender's node is gone");
            return;
        }
        if (before[0] == 0) break;
        int code;
        snprintf(path, sizeof path, "%s/%s", folder, before);
        wakes[number] = 0;
        PERSIST(code, zoo_wexists(handle, path, wake, (void *)&wakes[number], &stat));
        if (code == ZNONODE) continue;
        for (double until = now_seconds() + 20; !wakes[number]; pause_ms(2))
            if (now_seconds() > until) {
                problem(where, "a watch on the predecessor did not fire in 20 s");
                break;
            }
    }
    pthread_mutex_lock(&judge);
    if (++inside > 1 && where[0] == 0) snprintf(where, 256, "%d inside", inside);
    if (token <= last_token && where[0] == 0) snprintf(where, 256, "the fencing token did not grow");
    last_token = token;
    ++*count;
    pthread_mutex_unlock(&judge);

    int code, length;
    char data[128], next[128];
    do {
        length = sizeof data - 1;
        PERSIST(code, zoo_get(handle, at("/counter"), 0, data, &length, &stat));
    } while (code != ZOK && !over);
    data[length < 0 ? 0 : length] = 0;
    snprintf(next, sizeof next, "%d %s", atoi(data) + 1, mine);
    PERSIST(code, zoo_set(handle, at("/counter"), next, (int)strlen(next), stat.version));
    if (code == ZBADVERSION) { /* either a lost reply, or someone else in here */
        length = sizeof data - 1;
        PERSIST(code, zoo_get(handle, at("/counter"), 0, data, &length, &stat));
        data[length < 0 ? 0 : length] = 0;
        if (strcmp(data, next) != 0) problem(where, "someone else wrote while the lock was held");
    }

    pthread_mutex_lock(&judge);
    --inside;
    pthread_mutex_unlock(&judge);
    snprintf(path, sizeof path, "%s/%s", folder, mine);
    PERSIST(code, zoo_delete(handle, path, -1));
    if (code != ZOK && code != ZNONODE) problem(where, zerror(code));
}

static void *lock_worker(void *number) {
    char folder[kPathBytes * 2];
    snprintf(folder, sizeof folder, "%s/lock", root);
    while (!over && lock_problem[0] == 0) hold_lock((int)(intptr_t)number, folder, lock_problem, &sections);
    return NULL;
}

/* Creates an item's node. When the reply is lost, the node or, once it was taken, its receipt tells. */
static int put_item(zhandle_t *handle, int item) {
    char node[kPathBytes * 2], receipt[kPathBytes * 2];
    struct Stat stat;
    snprintf(node, sizeof node, "%s/queue/%08d", root, item);
    snprintf(receipt, sizeof receipt, "%s/receipts/%08d", root, item);
    for (;;) {
        int code = zoo_create(handle, node, "", 0, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        if (code != ZCONNECTIONLOSS && code != ZOPERATIONTIMEOUT) return code;
        PERSIST(code, zoo_exists(handle, node, 0, &stat));
        if (code == ZNONODE) PERSIST(code, zoo_exists(handle, receipt, 0, &stat));
        if (code != ZNONODE) return code;
    }
}

static void *queue_producer(void *unused) {
    (void)unused;
    while (!over && produced < kMaxItems) {
        if (produced - consumed > 100) { /* a long queue only makes its listing slow */
            pause_ms(10);
            continue;
        }
        int code = put_item(sessions[0]->handle, produced);
        if (code != ZOK) problem(queue_problem, zerror(code));
        produced++;
        pause_ms(4);
    }
    return NULL;
}

/* Takes an item by one multi: its node goes, a receipt of this consumer comes. Whoever has the receipt has it. */
static int consume_one(int number) {
    zhandle_t *handle = sessions[number]->handle;
    struct String_vector names;
    int code;
    PERSIST(code, zoo_get_children(handle, at("/queue"), 0, &names));
    if (code != ZOK) return 0;
    const char *first = NULL;
    for (int i = 0; i < names.count; ++i)
        if (first == NULL || strcmp(names.data[i], first) < 0) first = names.data[i];
    if (first == NULL) {
        deallocate_String_vector(&names);
        return 0;
    }
    int item = atoi(first);
    char node[kPathBytes * 2], receipt[kPathBytes * 2], text[16];
    snprintf(node, sizeof node, "%s/queue/%s", root, first);
    snprintf(receipt, sizeof receipt, "%s/receipts/%s", root, first);
    snprintf(text, sizeof text, "%d", number);
    deallocate_String_vector(&names);
    for (;;) {
        zoo_op_t ops[2];
        zoo_op_result_t results[2];
        memset(results, 0, sizeof results);
        zoo_delete_op_init(&ops[0], node, -1);
        zoo_create_op_init(&ops[1], receipt, text, (int)strlen(text), &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0);
        code = zoo_multi(handle, 2, ops, results);
        if (code == ZOK) break;
        if (code == ZNONODE || code == ZNODEEXISTS) {
            char data[16];
            int length = sizeof data - 1;
            PERSIST(code, zoo_get(handle, receipt, 0, data, &length, NULL));
            if (code != ZOK) {
                char found[kPathBytes * 2 + 64];
                snprintf(found, sizeof found, "%s is gone without a receipt (%s)", node, zerror(code));
                problem(queue_problem, found);
                return 1;
            }
            data[length] = 0;
            if (strcmp(data, text) != 0) return 1; /* the other consumer was faster */
            break;
        }
        if (code != ZCONNECTIONLOSS && code != ZOPERATIONTIMEOUT) {
            problem(queue_problem, zerror(code));
            return 1;
        }
        pause_ms(20);
    }
    pthread_mutex_lock(&judge);
    if (taken[item]++) snprintf(queue_problem, 256, "item %d was taken twice", item);
    consumed++;
    pthread_mutex_unlock(&judge);
    return 1;
}

static void *queue_consumer(void *number) {
    while (!over) {
        if (!consume_one((int)(intptr_t)number)) pause_ms(5);
        pause_ms(2);
    }
    return NULL;
}

static void *copy_writer(void *unused) {
    (void)unused;
    while (!over) {
        char text[16];
        int code;
        snprintf(text, sizeof text, "%d", ++changes);
        PERSIST(code, zoo_set(sessions[1]->handle, at("/watched"), text, (int)strlen(text), -1));
        if (code != ZOK) problem(copy_problem, zerror(code));
        pause_ms(10);
    }
    return NULL;
}

static volatile int copy_woken, copy_done;
static char copy[32];

/* Follows a node by its one-time watch alone: no event, no read. */
static void *copy_reader(void *unused) {
    (void)unused;
    struct Stat stat;
    copy_woken = 1;
    while (!copy_done) {
        if (!copy_woken) {
            pause_ms(2);
            continue;
        }
        char data[32];
        int length = sizeof data - 1, code;
        copy_woken = 0;
        PERSIST(code, zoo_wget(sessions[2]->handle, at("/watched"), wake, (void *)&copy_woken, data, &length, &stat));
        if (code != ZOK) problem(copy_problem, zerror(code));
        data[length < 0 ? 0 : length] = 0;
        snprintf(copy, sizeof copy, "%s", data);
        watched_changes++;
    }
    return NULL;
}

static void report(const char *name, double began, const char *found, const char *note) {
    if (found[0]) say("@fail storm.%s %.2f %s", name, now_seconds() - began, found);
    else say("@pass storm.%s %.2f %s", name, now_seconds() - began, note);
}

static int storm_rounds;

static void storm(void) {
    char answer[64], note[128], found[256] = "";
    int64_t ids[kSessions];
    double began = now_seconds();
    struct Stat stat;
    for (int i = 0; i < kSessions; ++i) {
        sessions[i] = open_session(30000);
        ids[i] = zoo_client_id(sessions[i]->handle)->client_id;
        char member[16];
        snprintf(member, sizeof member, "/member-%d", i);
        EXPECT(zoo_create(sessions[i]->handle, at(member), "", 0, &ZOO_OPEN_ACL_UNSAFE, ZOO_EPHEMERAL, NULL, 0), ZOK);
    }
    zhandle_t *handle = sessions[0]->handle;
    const char *folders[] = {"/lock", "/queue", "/receipts", "/counter", "/watched"};
    for (int i = 0; i < 5; ++i)
        EXPECT(zoo_create(handle, at(folders[i]), "0", 1, &ZOO_OPEN_ACL_UNSAFE, 0, NULL, 0), ZOK);

    pthread_t threads[9];
    int count = 0;
    for (intptr_t i = 0; i < 4; ++i) pthread_create(&threads[count++], NULL, lock_worker, (void *)i);
    pthread_create(&threads[count++], NULL, queue_producer, NULL);
    for (intptr_t i = 1; i < 3; ++i) pthread_create(&threads[count++], NULL, queue_consumer, (void *)i);
    pthread_create(&threads[count++], NULL, copy_writer, NULL);
    pthread_create(&threads[count++], NULL, copy_reader, NULL);

    char request[32];
    snprintf(request, sizeof request, "@storm %d", storm_rounds);
    alarm(0); /* the storm takes as long as it takes; `run` has a limit for the whole */
    ask(request, answer, sizeof answer);
    ask("@calm", answer, sizeof answer);
    alarm(100);
    for (int i = 0; i < kSessions; ++i) CHECK(wait_for_state(sessions[i], ZOO_CONNECTED_STATE, reconnect_seconds), "reconnected");
    pause_ms(500);
    over = 1;
    for (int i = 0; i < count - 1; ++i) pthread_join(threads[i], NULL);

    for (int i = 0; i < kSessions; ++i)
        if (zoo_client_id(sessions[i]->handle)->client_id != ids[i]) snprintf(found, sizeof found, "a session was lost");
    snprintf(note, sizeof note, "%.6s rounds, %d connects", answer + 3, sessions[0]->connects);
    note[strcspn(note, "\n")] = ' ';
    report("sessions", began, found, note);

    char data[128];
    int length = sizeof data - 1;
    EXPECT(zoo_get(handle, at("/counter"), 0, data, &length, &stat), ZOK);
    data[length] = 0;
    if (atoi(data) != sections && lock_problem[0] == 0)
        snprintf(lock_problem, sizeof lock_problem, "%d sections, the counter says %d", sections, atoi(data));
    snprintf(note, sizeof note, "%d sections", sections);
    report("lock", began, lock_problem, note);

    while (queue_problem[0] == 0 && consume_one(1)) continue;
    for (int i = 0; i < produced; ++i)
        if (taken[i] != 1 && queue_problem[0] == 0)
            snprintf(queue_problem, sizeof queue_problem, "item %d was taken %d times", i, taken[i]);
    snprintf(note, sizeof note, "%d items", produced);
    report("queue", began, queue_problem, note);

    length = sizeof data - 1;
    EXPECT(zoo_get(handle, at("/watched"), 0, data, &length, &stat), ZOK);
    data[length] = 0;
    for (double until = now_seconds() + 10; strcmp(data, copy) != 0 && now_seconds() < until;) pause_ms(10);
    copy_done = 1;
    pthread_join(threads[count - 1], NULL);
    if (strcmp(data, copy) != 0 && copy_problem[0] == 0)
        snprintf(copy_problem, sizeof copy_problem, "the copy shows %s, the tree %s", copy, data);
    snprintf(note, sizeof note, "%d changes, %d seen", changes, watched_changes);
    report("watched_copy", began, copy_problem, note);

    found[0] = 0;
    for (int i = 0; i < kSessions; ++i) {
        char member[16];
        snprintf(member, sizeof member, "/member-%d", i);
        if (zoo_exists(handle, at(member), 0, &stat) != ZOK || stat.ephemeralOwner != ids[i])
            snprintf(found, sizeof found, "member %d is gone", i);
    }
    report("membership", began, found, "");
}

void run_storm(int rounds, unsigned seed) {
    srand(seed);
    storm_rounds = rounds;
    run_case("storm", storm);
}
