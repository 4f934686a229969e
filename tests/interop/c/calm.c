/* Every call of the C client while the server is well; what sessions owe it; one restart under it. */
#include "driver.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct ACL_vector *open_acl(void) {
    return &ZOO_OPEN_ACL_UNSAFE;
}

static int make(zhandle_t *handle, const char *path, const char *data, int mode) {
    return zoo_create(handle, path, data, data ? (int)strlen(data) : -1, open_acl(), mode, NULL, 0);
}

static void create_modes(void) {
    struct session *session = open_session(10000);
    zhandle_t *handle = session->handle;
    char path[kPathBytes];
    struct Stat stat;
    EXPECT(zoo_create2(handle, at("/p"), "abc", 3, open_acl(), ZOO_PERSISTENT, path, sizeof path, &stat), ZOK);
    CHECK(strcmp(path, at("/p")) == 0 && stat.dataLength == 3 && stat.version == 0 && stat.czxid == stat.mzxid,
          "create2's stat");
    EXPECT(zoo_create(handle, at("/s-"), NULL, -1, open_acl(), ZOO_PERSISTENT_SEQUENTIAL, path, sizeof path), ZOK);
    CHECK(strcmp(path, at("/s-0000000001")) == 0, "sequential: %s", path);
    EXPECT(zoo_create2(handle, at("/e"), "", 0, open_acl(), ZOO_EPHEMERAL, path, sizeof path, &stat), ZOK);
    CHECK(stat.ephemeralOwner == zoo_client_id(handle)->client_id, "the owner of an ephemeral");
    EXPECT(zoo_create(handle, at("/s-"), "", 0, open_acl(), ZOO_EPHEMERAL_SEQUENTIAL, path, sizeof path), ZOK);
    CHECK(strcmp(path, at("/s-0000000003")) == 0, "ephemeral sequential: %s", path);
    EXPECT(zoo_create2(handle, at("/c"), "", 0, open_acl(), ZOO_CONTAINER, path, sizeof path, &stat), ZOK);
    EXPECT(zoo_create_ttl(handle, at("/t"), "", 0, open_acl(), ZOO_PERSISTENT_WITH_TTL, 60000, path, sizeof path),
           ZOK);
    EXPECT(zoo_create2_ttl(handle, at("/t-"), "", 0, open_acl(), ZOO_PERSISTENT_SEQUENTIAL_WITH_TTL, 60000, path,
                           sizeof path, &stat), ZOK);
    CHECK(strcmp(path, at("/t-0000000006")) == 0, "sequential with TTL: %s", path);
    EXPECT(make(handle, at("/e/child"), "", 0), ZNOCHILDRENFOREPHEMERALS);
    EXPECT(make(handle, at("/no/parent"), "", 0), ZNONODE);
    EXPECT(make(handle, at("/p"), "", 0), ZNODEEXISTS);
    close_session(session);
    session = open_session(10000);
    EXPECT(zoo_exists(session->handle, at("/e"), 0, &stat), ZNONODE);
    EXPECT(zoo_exists(session->handle, at("/t"), 0, &stat), ZOK);
    close_session(session);
}

static void data_and_children(void) {
    struct session *session = open_session(10000);
    zhandle_t *handle = session->handle;
    struct Stat stat;
    char data[64];
    int length = sizeof data;
    EXPECT(make(handle, at("/n"), NULL, 0), ZOK);
    EXPECT(zoo_get(handle, at("/n"), 0, data, &length, &stat), ZOK);
    CHECK(length == -1, "null data has length %d", length);
    EXPECT(zoo_set2(handle, at("/n"), "one", 3, 0, &stat), ZOK);
    CHECK(stat.version == 1 && stat.dataLength == 3, "set2's stat");
    EXPECT(zoo_set(handle, at("/n"), "two", 3, 0), ZBADVERSION);
    EXPECT(zoo_set(handle, at("/n"), "", 0, -1), ZOK);
    length = sizeof data;
    EXPECT(zoo_get(handle, at("/n"), 0, data, &length, &stat), ZOK);
    CHECK(length == 0 && stat.version == 2, "empty data has length %d", length);
    EXPECT(make(handle, at("/n/a"), "", 0), ZOK);
    EXPECT(make(handle, at("/n/b"), "", 0), ZOK);
    struct String_vector names;
    EXPECT(zoo_get_children2(handle, at("/n"), 0, &names, &stat), ZOK);
    CHECK(names.count == 2 && stat.numChildren == 2 && stat.cversion == 2, "get_children2");
    deallocate_String_vector(&names);
    EXPECT(zoo_get_children(handle, at("/n/a"), 0, &names), ZOK);
    CHECK(names.count == 0, "no children");
    deallocate_String_vector(&names);
    EXPECT(zoo_get_children(handle, at("/none"), 0, &names), ZNONODE);
    EXPECT(zoo_delete(handle, at("/n"), -1), ZNOTEMPTY);
    EXPECT(zoo_delete(handle, at("/n/a"), 3), ZBADVERSION);
    EXPECT(zoo_delete(handle, at("/n/a"), 0), ZOK);
    EXPECT(zoo_delete(handle, at("/n/a"), 0), ZNONODE);
    char config[1024];
    length = sizeof config;
    EXPECT(zoo_getconfig(handle, 0, config, &length, &stat), ZOK);
    EXPECT(zoo_reconfig(handle, NULL, NULL, NULL, -1, config, &length, &stat), ZRECONFIGDISABLED);
    close_session(session);
}

static void multi(void) {
    struct session *session = open_session(10000);
    zoo_op_t ops[5];
    zoo_op_result_t results[5];
    char first[kPathBytes], second[kPathBytes];
    char a[kPathBytes * 2];
    struct Stat stat;
    memset(results, 0, sizeof results);
    snprintf(a, sizeof a, "%s/a", root);
    zoo_create_op_init(&ops[0], a, "1", 1, open_acl(), 0, first, sizeof first);
    zoo_set_op_init(&ops[1], a, "22", 2, 0, &stat);
    zoo_check_op_init(&ops[2], a, 1);
    zoo_create_op_init(&ops[3], at("/s-"), "", 0, open_acl(), ZOO_SEQUENCE, second, sizeof second);
    zoo_delete_op_init(&ops[4], a, 1);
    EXPECT(zoo_multi(session->handle, 5, ops, results), ZOK);
    CHECK(strcmp(first, a) == 0 && stat.dataLength == 2 && strcmp(second, at("/s-0000000001")) == 0,
          "results: %s %s", first, second);
    zoo_create_op_init(&ops[0], a, "1", 1, open_acl(), 0, first, sizeof first);
    zoo_check_op_init(&ops[1], root, 7);
    zoo_delete_op_init(&ops[2], a, -1);
    EXPECT(zoo_multi(session->handle, 3, ops, results), ZBADVERSION);
    CHECK(results[0].err == ZOK && results[1].err == ZBADVERSION && results[2].err == ZRUNTIMEINCONSISTENCY,
          "errors %d %d %d", results[0].err, results[1].err, results[2].err);
    EXPECT(zoo_exists(session->handle, a, 0, &stat), ZNONODE);
    EXPECT(zoo_multi(session->handle, 0, ops, results), ZOK);
    close_session(session);
}

static void watches_fire_once_and_before_replies(void) {
    struct session *one = open_session(10000), *two = open_session(10000);
    struct Stat stat;
    struct String_vector names;
    char data[8];
    int length = sizeof data;
    EXPECT(make(one->handle, at("/n"), "", 0), ZOK);
    EXPECT(zoo_wget(two->handle, at("/n"), record_event, two, data, &length, &stat), ZOK);
    EXPECT(zoo_wexists(two->handle, at("/later"), record_event, two, &stat), ZNONODE);
    EXPECT(zoo_wget_children2(two->handle, root, record_event, two, &names, &stat), ZOK);
    deallocate_String_vector(&names);
    EXPECT(zoo_set(one->handle, at("/n"), "1", 1, -1), ZOK);
    EXPECT(zoo_set(one->handle, at("/n"), "2", 1, -1), ZOK);
    EXPECT(make(one->handle, at("/later"), "", 0), ZOK);
    EXPECT(make(one->handle, at("/more"), "", 0), ZOK);
    EVENTUALLY(two->events == 3, 10);
    pause_ms(50);
    CHECK(two->events == 3, "%d events", two->events);
    CHECK(count_events(two, ZOO_CHANGED_EVENT, at("/n")) == 1, "changed");
    CHECK(count_events(two, ZOO_CREATED_EVENT, at("/later")) == 1, "created");
    CHECK(count_events(two, ZOO_CHILD_EVENT, root) == 1, "child");
    EXPECT(zoo_wexists(two->handle, at("/n"), record_event, two, &stat), ZOK);
    EXPECT(zoo_delete(one->handle, at("/n"), -1), ZOK);
    EVENTUALLY(count_events(two, ZOO_DELETED_EVENT, at("/n")) == 1, 10);
    close_session(one);
    close_session(two);
}

static void removed_watches_stay_silent(void) {
    struct session *session = open_session(10000);
    zhandle_t *handle = session->handle;
    struct Stat stat;
    struct String_vector names;
    char data[8];
    int length = sizeof data;
    EXPECT(make(handle, at("/n"), "", 0), ZOK);
    EXPECT(zoo_remove_all_watches(handle, at("/n"), ZWATCHTYPE_DATA, 0), ZNOWATCHER);
    EXPECT(zoo_wget(handle, at("/n"), record_event, session, data, &length, &stat), ZOK);
    EXPECT(zoo_wget_children(handle, at("/n"), record_event, session, &names), ZOK);
    deallocate_String_vector(&names);
    EXPECT(zoo_remove_watches(handle, at("/n"), ZWATCHTYPE_DATA, record_event, session, 0), ZOK);
    int before = session->events; /* the client may tell the watcher that it was removed */
    EXPECT(zoo_set(handle, at("/n"), "1", 1, -1), ZOK);
    EXPECT(make(handle, at("/n/child"), "", 0), ZOK);
    EVENTUALLY(count_events(session, ZOO_CHILD_EVENT, at("/n")) == 1, 10);
    CHECK(count_events(session, ZOO_CHANGED_EVENT, at("/n")) == 0, "a removed data watch fired");
    CHECK(session->events <= before + 1, "events");
    length = sizeof data;
    EXPECT(zoo_wget(handle, at("/n"), record_event, session, data, &length, &stat), ZOK);
    EXPECT(zoo_remove_all_watches(handle, at("/n"), ZWATCHTYPE_ANY, 0), ZOK);
    EXPECT(zoo_set(handle, at("/n"), "2", 1, -1), ZOK);
    pause_ms(50);
    CHECK(count_events(session, ZOO_CHANGED_EVENT, at("/n")) == 0, "a removed watch fired");
    close_session(session);
}

static void note_code(int code, const void *where) {
    *(volatile int *)(uintptr_t)where = code;
}

static void acls_and_authentication(void) {
    struct session *owner = open_session(10000), *other = open_session(10000);
    struct Stat stat;
    struct ACL_vector acl;
    char data[8];
    int length = sizeof data;
    volatile int code = 1;
    EXPECT(zoo_create(owner->handle, at("/x"), "", 0, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0), ZINVALIDACL);
    EXPECT(zoo_add_auth(owner->handle, "digest", "owner:secret", 12, note_code, (const void *)&code), ZOK);
    EVENTUALLY(code == ZOK, 10);
    EXPECT(zoo_create(owner->handle, at("/mine"), "x", 1, &ZOO_CREATOR_ALL_ACL, 0, NULL, 0), ZOK);
    EXPECT(zoo_create(owner->handle, at("/read"), "x", 1, &ZOO_READ_ACL_UNSAFE, 0, NULL, 0), ZOK);
    EXPECT(zoo_get(other->handle, at("/mine"), 0, data, &length, &stat), ZNOAUTH);
    EXPECT(zoo_set(other->handle, at("/read"), "y", 1, -1), ZNOAUTH);
    EXPECT(zoo_get_acl(owner->handle, at("/mine"), &acl, &stat), ZOK);
    CHECK(acl.count == 1 && acl.data[0].perms == ZOO_PERM_ALL && strcmp(acl.data[0].id.scheme, "digest") == 0
          && strncmp(acl.data[0].id.id, "owner:", 6) == 0, "acl");
    EXPECT(zoo_set_acl(owner->handle, at("/mine"), 3, &acl), ZBADVERSION);
    deallocate_ACL_vector(&acl);
    EXPECT(zoo_set_acl(owner->handle, at("/mine"), 0, &ZOO_OPEN_ACL_UNSAFE), ZOK);
    length = sizeof data;
    EXPECT(zoo_get(other->handle, at("/mine"), 0, data, &length, &stat), ZOK);
    CHECK(stat.aversion == 1, "aversion %d", stat.aversion);
    code = 1;
    EXPECT(zoo_add_auth(other->handle, "nonsense", "x", 1, note_code, (const void *)&code), ZOK);
    EVENTUALLY(code == ZAUTHFAILED, 10);
    close_session(owner);
    close_session(other);
}

enum { kPipelined = 1000 };
static volatile int completed, out_of_order;

static void note_order(int code, const struct Stat *stat, const void *number) {
    if (code != ZOK || stat->version != (int)(intptr_t)number + 1 || completed != (int)(intptr_t)number) out_of_order = 1;
    completed++;
}

static void pipelined_writes_complete_in_order(void) {
    struct session *session = open_session(10000);
    completed = out_of_order = 0;
    EXPECT(make(session->handle, at("/n"), "", 0), ZOK);
    for (intptr_t i = 0; i < kPipelined; ++i)
        EXPECT(zoo_aset(session->handle, at("/n"), "data", 4, (int)i, note_order, (const void *)i), ZOK);
    EVENTUALLY(completed == kPipelined, 20);
    CHECK(!out_of_order, "out of order");
    close_session(session);
}

/* ---- a client in a process of its own, to be killed or frozen */

/* Prints its session, makes an ephemeral node, then prints each state it comes to. */
int run_child(int argc, char **argv) {
    if (argc < 3) return 2;
    address = argv[0];
    int timeout_ms = atoi(argv[2]);
    struct session *session = resume_session(timeout_ms, NULL);
    if (!wait_for_state(session, ZOO_CONNECTED_STATE, 15)) return 1;
    if (make(session->handle, argv[1], "child", ZOO_EPHEMERAL) != ZOK) return 1;
    const clientid_t *id = zoo_client_id(session->handle);
    printf("%lld ", (long long)id->client_id);
    for (int i = 0; i < 16; ++i) printf("%02x", (unsigned char)id->passwd[i]);
    printf("\n");
    fflush(stdout);
    int last = session->state;
    for (double until = now_seconds() + 60; now_seconds() < until; pause_ms(5)) {
        if (session->state == last) continue;
        last = session->state;
        printf("state %d\n", last);
        fflush(stdout);
    }
    return 0;
}

struct child {
    pid_t pid;
    FILE *lines;
    clientid_t id;
};

static struct child start_child(const char *path, const char *timeout_ms) {
    struct child child;
    int ends[2];
    CHECK(pipe(ends) == 0, "pipe");
    child.pid = fork();
    CHECK(child.pid >= 0, "fork");
    if (child.pid == 0) {
        alarm(60); /* it must not outlive a driver that was killed */
        dup2(ends[1], STDOUT_FILENO);
        execl(self, self, "child", address, path, timeout_ms, (char *)NULL);
        _exit(127);
    }
    close(ends[1]);
    child.lines = fdopen(ends[0], "r");
    char line[128], hex[64];
    long long number;
    CHECK(fgets(line, sizeof line, child.lines) != NULL && sscanf(line, "%lld %63s", &number, hex) == 2,
          "the child did not connect");
    child.id.client_id = number;
    for (int i = 0; i < 16; ++i) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        child.id.passwd[i] = (char)byte;
    }
    return child;
}

static void end_child(struct child *child) {
    kill(child->pid, SIGKILL);
    waitpid(child->pid, NULL, 0);
    fclose(child->lines);
}

static void killed_clients_session_is_resumed_or_expires(void) {
    struct session *witness = open_session(10000);
    struct Stat stat;
    struct child child = start_child(at("/e"), "4000");
    end_child(&child);

    clientid_t wrong = child.id;
    wrong.passwd[3] ^= 1;
    struct session *thief = resume_session(4000, &wrong);
    CHECK(wait_for_state(thief, ZOO_EXPIRED_SESSION_STATE, 10), "a wrong password was accepted");
    close_session(thief);
    EXPECT(zoo_exists(witness->handle, at("/e"), 0, &stat), ZOK);

    struct session *heir = resume_session(4000, &child.id);
    CHECK(wait_for_state(heir, ZOO_CONNECTED_STATE, 10), "the session was not resumed");
    CHECK(zoo_client_id(heir->handle)->client_id == child.id.client_id, "another session");
    pause_ms(6000);
    EXPECT(zoo_wexists(witness->handle, at("/e"), record_event, witness, &stat), ZOK);
    close_session(heir);
    EVENTUALLY(count_events(witness, ZOO_DELETED_EVENT, at("/e")) == 1, 5);

    child = start_child(at("/e2"), "1500");
    end_child(&child);
    double began = now_seconds();
    EXPECT(zoo_wexists(witness->handle, at("/e2"), record_event, witness, &stat), ZOK);
    EVENTUALLY(count_events(witness, ZOO_DELETED_EVENT, at("/e2")) == 1, 10);
    double waited = now_seconds() - began;
    CHECK(waited > 0.7 && waited < 5, "expired after %.1f s, the session timeout is 1.5 s", waited);
    thief = resume_session(4000, &child.id);
    CHECK(wait_for_state(thief, ZOO_EXPIRED_SESSION_STATE, 10), "an expired session was resumed");
    close_session(thief);
    close_session(witness);
}

static void frozen_client_learns_of_its_expiry(void) {
    struct session *witness = open_session(10000);
    struct Stat stat;
    struct child child = start_child(at("/e"), "1500");
    kill(child.pid, SIGSTOP);
    EVENTUALLY(zoo_exists(witness->handle, at("/e"), 0, &stat) == ZNONODE, 10);
    kill(child.pid, SIGCONT);
    char line[128];
    int state = 0;
    while (state != ZOO_EXPIRED_SESSION_STATE && fgets(line, sizeof line, child.lines) != NULL)
        sscanf(line, "state %d", &state);
    end_child(&child);
    CHECK(state == ZOO_EXPIRED_SESSION_STATE, "the client was not told");
    close_session(witness);
}

/* ---- one restart */

static void sessions_and_watches_live_through_a_restart(void) {
    struct session *one = open_session(30000), *two = open_session(30000);
    int64_t id = zoo_client_id(one->handle)->client_id;
    struct Stat stat;
    struct String_vector names;
    char data[8], answer[64];
    int length = sizeof data;
    EXPECT(make(one->handle, at("/e"), "", ZOO_EPHEMERAL), ZOK);
    EXPECT(make(one->handle, at("/n"), "", 0), ZOK);
    EXPECT(zoo_wget(one->handle, at("/n"), record_event, one, data, &length, &stat), ZOK);
    EXPECT(zoo_wexists(one->handle, at("/later"), record_event, one, &stat), ZNONODE);
    EXPECT(zoo_wget_children(one->handle, root, record_event, one, &names), ZOK);
    deallocate_String_vector(&names);
    struct child child = start_child(at("/orphan"), "3000");
    EVENTUALLY(count_events(one, ZOO_CHILD_EVENT, root) == 1, 10);
    EXPECT(zoo_wget_children(one->handle, root, record_event, one, &names), ZOK);
    deallocate_String_vector(&names);

    ask("@kill", answer, sizeof answer);
    CHECK(wait_for_state(one, ZOO_CONNECTING_STATE, 10) || one->state != ZOO_CONNECTED_STATE, "noticed");
    end_child(&child);
    CHECK(zoo_exists(one->handle, root, 0, &stat) != ZOK, "an answer from a dead server");
    ask("@start", answer, sizeof answer);

    CHECK(wait_for_state(one, ZOO_CONNECTED_STATE, reconnect_seconds) && wait_for_state(two, ZOO_CONNECTED_STATE, reconnect_seconds), "reconnected");
    CHECK(zoo_client_id(one->handle)->client_id == id, "another session");
    EVENTUALLY(zoo_exists(two->handle, at("/e"), 0, &stat) == ZOK, 10);
    CHECK(stat.ephemeralOwner == id, "the ephemeral's owner");
    CHECK(one->events == 1, "a watch fired without a change");
    EXPECT(zoo_set(two->handle, at("/n"), "1", 1, -1), ZOK);
    EXPECT(make(two->handle, at("/later"), "", 0), ZOK);
    EVENTUALLY(count_events(one, ZOO_CHANGED_EVENT, at("/n")) == 1, 10);
    EVENTUALLY(count_events(one, ZOO_CREATED_EVENT, at("/later")) == 1, 10);
    EVENTUALLY(count_events(one, ZOO_CHILD_EVENT, root) == 2, 10);
    EVENTUALLY(zoo_exists(two->handle, at("/orphan"), 0, &stat) == ZNONODE, 10);
    CHECK(one->connects == 2, "%d connects", one->connects);
    close_session(one);
    close_session(two);
}

void run_calm(void) {
    run_case("create_modes", create_modes);
    run_case("data_and_children", data_and_children);
    run_case("multi", multi);
    run_case("watches_fire_once_and_before_replies", watches_fire_once_and_before_replies);
    run_case("removed_watches_stay_silent", removed_watches_stay_silent);
    run_case("acls_and_authentication", acls_and_authentication);
    run_case("pipelined_writes_complete_in_order", pipelined_writes_complete_in_order);
    run_case("killed_clients_session_is_resumed_or_expires", killed_clients_session_is_resumed_or_expires);
    run_case("frozen_client_learns_of_its_expiry", frozen_client_learns_of_its_expiry);
    run_case("sessions_and_watches_live_through_a_restart", sessions_and_watches_live_through_a_restart);
}
