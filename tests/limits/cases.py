"""One function a case: it gets an empty folder, and raises Failed when the setting has not its effect."""

import os
import re
import shutil
import socket
import struct
import subprocess
import time

from server import Client, Server, expect, run
import wire

ALL = {}


def case(function):
    ALL[function.__name__] = function
    return function


def four_letters(port, word):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as s:
        s.sendall(word)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
        return answer.decode()


def is_reset(port, source=None):
    try:
        return Client(port, None, source=source).end() == "reset"
    except ConnectionResetError:  # so early that connecting sees it
        return True


# ---- connections and sessions ----------------------------------------------------------------------


@case
def connections_of_one_address(folder):
    with Server(folder, {"maxClientCnxns": 2, "maxCnxns": 3}) as server:
        first, second = server.client(), server.client()
        expect(is_reset(server.port), "the third connection is not reset (maxClientCnxns=2)")
        server.wait_for_log("refused a connection from 127.0.0.1: there are too many")
        other = server.client(source="127.0.0.2")
        expect(is_reset(server.port, "127.0.0.2"), "the fourth connection is not reset (maxCnxns=3)")
        second.close()
        third = None
        for _ in range(100):  # until the server has noticed
            try:
                third = server.client()
                break
            except (wire.Closed, OSError):
                time.sleep(0.01)
        expect(third is not None, "a closed connection still counts")
        first.done("getData", path="/")
        other.done("getData", path="/")


@case
def start_line_has_no_bound_on_connections(folder):
    with Server(folder, arguments=[0, folder / "data", 100]) as server:
        clients = [server.client(1) for _ in range(80)]
        expect(clients[-1].reply.timeout == 200, "the third word is not the tick")


@case
def session_timeouts(folder):
    for settings, least, greatest in (({"tickTime": 150}, 300, 3000), ({"minSessionTimeout": 70, "maxSessionTimeout": 90}, 70, 90)):
        with Server(folder, settings) as server:
            got = [server.client(wish).reply.timeout for wish in (1, greatest - 1, 10_000_000)]
            expect(got == [least, greatest - 1, greatest], f"{settings}: timeouts {got}")


@case
def sessions_expire_after_their_timeout(folder):
    with Server(folder, {"tickTime": 100, "minSessionTimeout": 100}) as server:
        watcher, silent = server.client(2000), server.client(300)
        silent.done("create", path="/e", flags=1)
        watcher.done("exists", path="/e", watch=True)
        began = time.monotonic()
        event = watcher.connection.next()
        expect(event.path == "/e" and 0.1 < time.monotonic() - began < 1.5, f"{event} after {time.monotonic() - began:.2f} s")


@case
def silent_connections_are_closed(folder):
    with Server(folder, {"nio.sessionlessCnxnTimeout": 200}) as server:
        with_session, silent = server.client(), Client(server.port, None)
        began = time.monotonic()
        expect(silent.end(3) == "closed" and time.monotonic() - began > 0.15, "not closed after nio.sessionlessCnxnTimeout")
        with_session.done("getData", path="/")


@case
def tokens_for_sessions(folder):
    with Server(folder, {"connection_throttle_tokens": 2, "connection_throttle_fill_time": 1_000_000}) as server:
        clients = [server.client(), server.client()]
        third = Client(server.port, None)
        third.connection.send(wire.connect_request(0, 10000, 0, b"\0" * 16))
        expect(third.is_closed(), "a third session although there are two tokens")
        server.wait_for_log("too many sessions at a time")
        clients[0].done("getData", path="/")
    with Server(folder, {"connection_throttle_tokens": 1, "connection_throttle_fill_time": 1_000_000,
                         "connection_throttle_weight_enabled": "true", "connection_throttle_renew_session_weight": 1}) as server:
        client = server.client()
        again = Client(server.port, None)
        again.connection.send(wire.connect_request(0, 10000, client.reply.sid, client.reply.password))
        expect(again.is_closed(), "a session is resumed without tokens")


@case
def sockets(folder):
    with Server(folder, {"clientTcpKeepAlive": "true", "clientPortListenBacklog": 7}) as server:
        client = server.client()
        if shutil.which("ss"):
            listening = subprocess.run(["ss", "-Hltn", f"sport = :{server.port}"], capture_output=True, text=True).stdout.split()
            expect(listening[2] == "7", f"clientPortListenBacklog=7: {listening}")
            accepted = subprocess.run(["ss", "-Htno", f"sport = :{server.port}"], capture_output=True, text=True).stdout
            expect("keepalive" in accepted, f"clientTcpKeepAlive=true: {accepted}")
        client.done("getData", path="/")
        with socket.socket() as outside:
            outside.settimeout(1)
            expect(outside.connect_ex(("127.0.0.2", server.port)) != 0, "clientPortAddress=127.0.0.1: 127.0.0.2 answers")


@case
def words(folder):
    with Server(folder, {"4lw.commands.whitelist": "ruok"}) as server:
        expect(four_letters(server.port, b"ruok") == "imok", "ruok is not answered")
        expect("Mode: standalone" in four_letters(server.port, b"srvr"), "srvr is not answered")
        answer = four_letters(server.port, b"stat")
        expect(answer == "stat is not executed because it is not in the whitelist.\n", answer)


# ---- requests --------------------------------------------------------------------------------------


@case
def frame_limit(folder):
    with Server(folder, flags=["-Djute.maxbuffer=1000"]) as server:
        client = server.client()
        room = 1000 - len(client.frame("setData", path="/", data=b"")) + 4
        client.done("setData", path="/", data=b"x" * room)
        client.connection.send(client.frame("setData", path="/", data=b"x" * (room + 1)))
        expect(client.is_closed(), "1001 bytes are taken with jute.maxbuffer=1000")
        server.wait_for_log(r"a frame of 1001 bytes; the limit \(jute.maxbuffer\) is 1000")


@case
def large_requests(folder):
    with Server(folder, {"largeRequestThreshold": 1000, "largeRequestMaxBytes": 5000}) as server:
        client = server.client()
        for _ in range(5):  # one after the other they fit
            client.done("setData", path="/", data=b"x" * 4000)
        client.connection.send(client.frame("setData", path="/", data=b"x" * 6000))
        expect(client.is_closed(), "6000 bytes are taken with largeRequestMaxBytes=5000")
        server.wait_for_log(r"the limit \(largeRequestMaxBytes\) is 5000")
        burst = server.client()
        burst.connection.send(b"".join(burst.frame("setData", path="/", data=b"x" * 900) for _ in range(50)))
        expect(all(burst.connection.next().err == 0 for _ in range(50)), "small requests are counted")


@case
def few_outstanding_requests_are_all_answered(folder):
    for key in ("globalOutstandingLimit", "request_throttle_max_requests"):
        with Server(folder, {key: 1, "forceSync": "no"}) as server:
            clients = [server.client() for _ in range(3)]
            for client in clients:
                client.connection.send(b"".join(client.frame("setData", path="/") for _ in range(200)))
            for client in clients:
                xids = [client.connection.next().xid for _ in range(200)]
                expect(xids == list(range(1, 201)), f"{key}=1: replies out of order")


@case
def access(folder):
    with Server(folder, {"DigestAuthenticationProvider.enabled": "false"}) as server:
        expect(server.client().ask("auth", scheme="digest", auth=b"a:b").err == -115, "digest is not off")
    with Server(folder, {"enforce.auth.enabled": "true", "enforce.auth.schemes": "digest"}) as server:
        expect(server.client().ask("getData", path="/").err == -124, "enforce.auth.schemes is not enforced")
        client = server.client()
        client.done("auth", scheme="digest", auth=b"a:b")
        client.done("getData", path="/")
    for value, error in (("false", -6), ("true", 0)):
        with Server(folder, {"extendedTypesEnabled": value}) as server:
            got = server.client().ask("createTTL", path="/t", flags=5, ttl=1000).err
            expect(got == error, f"extendedTypesEnabled={value}: createTTL gives {got}")
    for value, error in (("no", -102), ("yes", 0)):
        with Server(folder, {"skipACL": value}) as server:
            client = server.client()
            client.ask("create", path="/closed", acl=[(0, "world", "anyone")])
            got = client.ask("getData", path="/closed").err
            expect(got == error, f"skipACL={value}: getData gives {got}")


# ---- files -----------------------------------------------------------------------------------------


@case
def log_files_roll(folder):
    with Server(folder, {"txnLogSizeLimitInKb": 64, "preAllocSize": 64, "dataLogDir": folder / "logs"}) as server:
        client = server.client()
        expect(not server.logs(), "logs in dataDir although dataLogDir is set")
        for _ in range(30):
            client.done("setData", path="/", data=b"x" * 10_000)
        files = server.logs(folder / "logs")
        expect(4 <= len(files) <= 7, f"300 KB in {[path.name for path in files]}")
        size = files[-1].stat().st_size
        expect(65536 <= size < 2 * 65536 + 100, f"{size} bytes with preAllocSize=64")


@case
def snapshots_and_purging(folder):
    for settings, is_right in (({"snapCount": 10}, lambda count: 2 <= count <= 5),
                               ({"snapCount": 10, "autopurge.purgeInterval": 0}, lambda count: count > 5),
                               ({"snapSizeLimitInKb": 4, "autopurge.purgeInterval": 0}, lambda count: count > 3),
                               ({}, lambda count: count == 1)):
        shutil.rmtree(folder / "data", ignore_errors=True)
        with Server(folder, settings) as server:
            client = server.client()
            for _ in range(200):
                client.done("setData", path="/", data=b"x" * 100)
            expect(server.stop() == 0, "no clean end")
            expect(is_right(len(server.snapshots())), lambda: f"{settings}: {[path.name for path in server.snapshots()]}")


@case
def what_stands_in_a_snapshot(folder):
    def snapshot(name, settings):
        with Server(folder, {"snapCount": 5, "autopurge.purgeInterval": 0, "dataDir": folder / name, **settings}) as server:
            server.data = folder / name
            client = server.client()
            for _ in range(30):
                client.done("setData", path="/")
            server.stop()
            return server.snapshots()[-1]

    plain = snapshot("plain", {}).read_bytes()
    gz = snapshot("gz", {"snapshot.compression.method": "gz"})
    expect(gz.suffix == ".gz" and gz.read_bytes()[:2] == b"\x1f\x8b", f"gz: {gz.name}")
    snappy = snapshot("snappy", {"snapshot.compression.method": "snappy"})
    expect(snappy.suffix == ".snappy" and snappy.read_bytes()[:8] == b"\x82SNAPPY\0", f"snappy: {snappy.name}")
    for key in ("digest.enabled", "serializeLastProcessedZxid.enabled"):
        expect(len(snapshot(key, {key: "false"}).read_bytes()) < len(plain), f"{key}=false: the snapshot is no shorter")


@case
def what_stands_in_the_log(folder):
    def log(name, settings):
        with Server(folder, {"preAllocSize": 0, "dataDir": folder / name, **settings}) as server:
            client = server.client()
            client.done("create", path="/ephemeral", flags=1)
            client.done("closeSession")
            server.stop()
            server.data = folder / name
            return b"".join(path.read_bytes() for path in server.logs())

    expect(log("on", {}).count(b"/ephemeral") == 2, "the closing does not list the paths")
    expect(log("off", {"closeSessionTxn.enabled": "false"}).count(b"/ephemeral") == 1, "closeSessionTxn.enabled=false lists the paths")
    expect(len(log("plain", {"digest.enabled": "false"})) < len(log("digests", {})), "digest.enabled=false: the log is no shorter")


@case
def slow_log(folder):
    with Server(folder, {"fsync.warningthresholdms": 0}) as server:
        client = server.client()
        for _ in range(300):
            client.done("setData", path="/", data=b"x" * 100_000)
            if "writing and flushing the transaction log took" in server.log():
                break
        server.wait_for_log(r"writing and flushing the transaction log took \d+ ms \(fsync.warningthresholdms is 0\)", 1)


# ---- starting and refusing to ----------------------------------------------------------------------


def refusal(folder, settings, status, *texts, serve=True):
    server = Server(folder, settings)
    ended = run("serve" if serve else "check", server.configuration())
    expect(ended.returncode == status, f"{settings}: exit status {ended.returncode}, not {status}\n{ended.stdout}")
    for text in texts:
        expect(text in ended.stdout, f"{settings}: no {text!r} in\n{ended.stdout}")


@case
def bad_configurations(folder):
    for serve in (True, False):
        refusal(folder, {"tickTime": "abc"}, 2, "zoo.cfg:4: tickTime: \"abc\" is not accepted: a whole number of milliseconds", serve=serve)
        refusal(folder, {"secureClientPort": 1}, 2, "this version has no TLS listener", serve=serve)
    refusal(folder, {"minSessionTimeout": 50, "maxSessionTimeout": 40}, 2, "at most maxSessionTimeout, which is 40")
    ended = run("serve", folder / "missing.cfg")
    expect(ended.returncode == 2 and "cannot be read" in ended.stdout, ended.stdout)
    expect(not (folder / "data").exists(), "a refused start leaves a directory")


@case
def warnings(folder):
    with Server(folder, {"tickTme": 1, "flushDelay": 10}) as server:
        server.wait_for_log("tickTme: unknown key, ignored; the nearest known key is tickTime")
        server.wait_for_log("flushDelay: ignored: a flush takes what came while the last one ran")


@case
def check_and_explain(folder):
    configuration = Server(folder, {"tickTme": 1}).configuration()
    ended = run("check", configuration)
    expect(ended.returncode == 0 and ended.stdout.endswith("zoo.cfg: good\n"), ended.stdout)
    expect("nearest known key is tickTime" in ended.stdout, ended.stdout)
    ended = run("explain", "zookeeper.SNAPCOUNT")
    expect(ended.returncode == 0 and ended.stdout.startswith("snapCount\n") and "100000" in ended.stdout, ended.stdout)
    ended = run("explain", "snapCont")
    expect(ended.returncode == 1 and "the nearest known one is snapCount" in ended.stdout, ended.stdout)


@case
def no_automatic_creation(folder):
    refusal(folder, {"datadir.autocreate": "false"}, 3, "does not exist, and zookeeper.datadir.autocreate is false")
    refusal(folder, {"db.autocreate": "false"}, 3, "the data directory is empty and zookeeper.db.autocreate is false", "/initialize")
    (folder / "data" / "initialize").touch()
    with Server(folder, {"db.autocreate": "false"}) as server:
        server.client()


@case
def port_that_is_taken(folder):
    with Server(folder) as server:
        elsewhere = folder / "elsewhere"
        elsewhere.mkdir()
        refusal(elsewhere, {"clientPort": server.port}, 4, "Address already in use", "Choose a port with clientPort")


@case
def two_servers_on_one_directory(folder):
    with Server(folder, {"dataLogDir": folder / "logs"}) as server:
        text = "another Synod is serving this data directory"
        refusal(folder, {}, 3, text)
        refusal(folder, {"dataDir": folder / "other", "dataLogDir": folder / "logs"}, 3, text, str(folder / "logs"))
        server.client().done("getData", path="/")
        server.process.kill()
        server.process.wait()
        server.start()


# ---- the log of the server -------------------------------------------------------------------------


@case
def log_that_nobody_reads(folder):
    reader, writer = os.pipe()
    try:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        noise = {f"unknown.key.{i}": "x" for i in range(2000)}  # a warning each: more than a pipe holds
        with Server(folder, {**noise, "clientPort": port}, stdout=writer) as server:
            client = None
            for _ in range(500):
                try:
                    client = Client(port)
                    break
                except OSError:
                    time.sleep(0.01)
            expect(client is not None, "the server waits for its log to be read")
            client.done("setData", path="/")
            began = time.monotonic()
            expect(server.stop() == 0 and time.monotonic() - began < 5, "no clean end while the log is not read")
    finally:
        os.close(reader)
        os.close(writer)


@case
def complaints_are_bounded(folder):
    with Server(folder) as server:
        for _ in range(60):
            client = Client(server.port, None)
            client.connection.send(struct.pack(">i", -1))
            expect(client.is_closed(), "a frame of -1 bytes is taken")
        server.wait_for_log(r"\d+ more complaints about connections suppressed", 3)
        lines = len(re.findall("closed the connection from", server.log()))
        expect(10 <= lines <= 30, f"{lines} complaints for 60 connections")
