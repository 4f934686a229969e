"""What goes wrong: full and broken disks, counters that run out, cut links, garbage. And what is said before anything else is."""

import contextlib
import random
import re
import socket
import time

import places
import calls
from client import Client, create
from ensemble import four_letters
from scenario import BOTH, both, mixed, require, restarted, scenario, settled, told, wait_until, writing
from watched import TICK, BehindMasters, Watched
from wire import Malformed, Reader

peers = places.cases_of("peers")
DISK_STATUS = 11
FAULTS = {"full": "write:/log.:60:28", "broken": "flush:/log.:60:5"}  # ENOSPC, EIO: of the log's calls, from the 60th on


@scenario(**{f"{what}-{where}": (kinds, 2 if where == "under-java" else 3, fault) for what, fault in FAULTS.items() for where, kinds in BOTH.items()})
def disk(stage, kinds, ours, fault):
    """Our disk fails under load: we end with the status for that, the others go on, and nothing that was acknowledged is lost."""
    with stage.ensemble(kinds) as ensemble:
        member = ensemble.members[ours]
        member.environment = calls.environment(member.folder / "data", member.folder / "trace", 0, fault)
        mixed.started(ensemble, 3)
        with writing(ensemble.members.values) as writer:
            if stage.is_control:  # the fault's library watches our calls only
                writer.wait_for_more(200)
                member.kill()
            else:
                wait_until(lambda: member.process.poll() is not None, "our server ends", 60)
                require(member.process.returncode == DISK_STATUS, f"it ends with status {member.process.returncode}\n{member.log[-1000:]}")
            writer.wait_for_more(100)
            member.process, member.environment = None, {}
            restarted(ensemble, ours)
            writer.wait_for_more()
        settled(ensemble, "with a new disk")
        return f"status {DISK_STATUS}; {told(writer)}"


@scenario(**{"under-java": (BOTH["under-java"], 0xfffffff0), "under-synod": (BOTH["under-synod"], 0xfffffffe - 0x20000 - 40)})
def rollover(stage, kinds, begins_at):
    """The counter of an epoch is used up: a new epoch, and every acknowledged write is there."""
    with stage.ensemble(kinds, first_counter=None) as ensemble:
        ensemble.properties = {"zookeeper.testingonly.initialZxid": str(begins_at)}
        ensemble.start(3)
        ensemble.members[3].wait_for_election_port()
        ensemble.properties = {}
        restarted(ensemble, 1, 2)
        ensemble.wait()
        require(ensemble.leader().sid == 3, f"server {ensemble.leader().sid} leads")
        with writing(ensemble.members.values) as writer:
            wait_until(lambda: writer.problem or len(epochs(ensemble)) > 1, "a new epoch begins", 60)
            seen = sorted(epochs(ensemble))
            if ensemble.members[3].is_java:  # its next epochs would be as short
                ensemble.members[3].kill()
                restarted(ensemble, 3)
            writer.wait_for_more(50)
        settled(ensemble, "after the rollover")
        return f"{len(writer.acknowledged)} writes from epoch {seen[0]} on into epoch {seen[-1]}, none lost"


def epochs(ensemble):
    ensemble.watch.conversations()
    return {zxid >> 32 for zxid in ensemble.watch.ledger}


@scenario(**{"under-java": {1: "synod", 2: "synod", 3: "java"}, "under-synod": {1: "java", 2: "java", 3: "synod"},
             "through-synod": {1: "java", 2: "synod", 3: "java"}})
def chained(stage, kinds):
    """3 leads, 1 cannot talk to it, 2 to both: 3 and 2 go on, 1 is left out, and joins when the link is back."""
    with stage.ensemble(kinds) as ensemble:
        leader = mixed.started(ensemble, 3)
        with writing(ensemble.members.values, through=(ensemble.members[2], leader)) as writer:
            ensemble.watch.relays.stall(1, 3)
            wait_until(lambda: not ensemble.members[1].mode(), "the one at the end serves nobody")
            began = time.monotonic()
            while time.monotonic() < began + 12 * TICK / 1000:
                writer.wait_for_more(20)
                require(leader.mode() == "leader", "the leader stepped down")
                require(not ensemble.members[1].mode(), "the one at the end serves")
            ensemble.watch.relays.heal()
            ensemble.wait(1)
        require(ensemble.leader() is leader, "the leader changed")
        settled(ensemble, "after the link was back")
        return told(writer)


@both
def garbage(stage, kinds):
    """Garbage, silence and half messages on all ports of ours for servers, while clients write: no crash, no other leader."""
    seconds = 20 if stage.is_long else 4
    with stage.ensemble(kinds, made=BehindMasters) as ensemble:
        leader = mixed.started(ensemble, 3)
        ours = next(member for member in ensemble.members.values() if not member.is_java or stage.is_control)
        with writing(ensemble.members.values) as writer:
            sent = strangers_at(ours, (ours.quorum_port, ours.election_port, ensemble.master_ports[ours.sid]), seconds)
            writer.wait_for_more()
        require(sent > 20, f"only {sent} strangers got through")
        require(ensemble.leader() is leader, "the leader changed")
        settled(ensemble, "after the strangers")
        return f"{sent} strangers, {told(writer)}"


def strangers_at(member, ports, seconds):
    dice, open_ones, sent = random.Random(member.sid), [], 0
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            stranger = socket.create_connection(("127.0.0.1", dice.choice(ports)), timeout=5)
            open_ones.append(stranger)
            stranger.sendall(peers.garbage(dice))
            sent += 1
        if len(open_ones) > 100:
            open_ones.pop(dice.randrange(len(open_ones))).close()
        time.sleep(0.005)
    for stranger in open_ones:
        stranger.close()
    return sent


# ---- what is said on the election port --------------------------------------------------------

WIRE = places.TESTS / "fixtures" / "zab-wire"
FRAME_LIMIT = 524288
V1, V2 = -65536, -65535


def fixture(name):
    return (WIRE / f"{name}.bin").read_bytes()


def said_of(payload):
    """A notification's fields."""
    reader = Reader(payload)
    fields = {"state": reader.int(), "leader": reader.long(), "zxid": reader.long(), "round": reader.long(), "epoch": reader.long(),
              "version": reader.int(), "config": reader.buffer()}
    reader.end()
    return fields


def read_exactly(stream, size):
    raw = b""
    while len(raw) < size:
        chunk = stream.recv(size - len(raw))
        if not chunk:
            raise Malformed(f"closed after {len(raw)} of {size} bytes")
        raw += chunk
    return raw


def next_notification(stream):
    size = int.from_bytes(read_exactly(stream, 4), "big")
    require(0 < size <= FRAME_LIMIT, f"a frame of {size} bytes")
    return said_of(read_exactly(stream, size))


@scenario()
def election_codec(stage):
    """Alone, spoken to in the recorded words of Java's servers: both initial messages, each notification, and malformed ones."""
    with stage.ensemble({1: "synod", 2: "java", 3: "java"}) as ensemble:
        ours = ensemble.members[1]
        ensemble.start(1)
        ours.wait_for_election_port()
        count = 0
        notifications = sorted(file.stem for file in WIRE.glob("elec-notif-*.bin"))
        malformed = {**{f"{size} bytes": bytes(size) for size in (28, 36, 40, 42)}, "unknown state": b"\0\0\0\7" + bytes(40)}
        frames = {name: fixture(name) for name in notifications}
        frames |= {what: len(raw).to_bytes(4, "big") + raw for what, raw in malformed.items()}
        for initial in ("elec-initial-v1", "elec-initial-v2"):
            for name, frame in frames.items():
                with socket.create_connection(("127.0.0.1", ours.election_port), timeout=20) as stream:
                    stream.sendall(with_sid(fixture(initial), 3))
                    said = next_notification(stream)
                    require((said["state"], said["version"]) == (0, 2), f"before {name}: it says {said}")
                    require(b"server.1=" in said["config"] and said["config"].endswith(b"version=0"), f"its configuration: {said['config']}")
                    require(said["leader"] in (1, 2, 3) and said["round"] >= 1, f"it says {said}")
                    stream.sendall(frame)
                count += 1
        require(ours.process.poll() is None, f"it ended\n{ours.log[-1000:]}")
        for oversize in (b"\x7f\xff\xff\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", (FRAME_LIMIT + 1).to_bytes(4, "big")):
            with socket.create_connection(("127.0.0.1", ours.election_port), timeout=20) as stream:
                stream.sendall(with_sid(fixture("elec-initial-v1"), 3))
                next_notification(stream)
                stream.sendall(oversize)
                require_closed(stream, f"a frame's length of {oversize.hex()}")
        restarted(ensemble, 2, 3)  # and after all that it is one of three
        ensemble.wait(1)
        settled(ensemble, "after the words of others")
        return f"{count} recorded and malformed messages, each answered by a whole notification"


def with_sid(initial, sid):
    return initial[:8] + sid.to_bytes(8, "big") + initial[16:]


def require_closed(stream, why):
    try:
        while stream.recv(65536):
            pass
    except ConnectionResetError:
        pass
    except TimeoutError:
        require(False, f"{why} does not end the connection")


# ---- two addresses a server -------------------------------------------------------------------

ADDRESSES = ("127.0.0.1", "127.0.0.2")


class TwoAddresses(Watched):
    def lines_for(self, sid):
        lines = []
        for other in self.members.values():
            ports = [other.quorum_port if other.sid == sid else self.relay_for(sid, other, at) for at in ADDRESSES]
            ways = "|".join(f"{at}:{port}:{other.election_port}" for at, port in zip(ADDRESSES, ports))
            lines.append(f"server.{other.sid}={ways}")
        return lines


@both
def addresses(stage, kinds):
    """Two addresses each: the initial message says both, and a follower whose first way is closed takes the second."""
    with stage.ensemble(kinds, {"multiAddress.enabled": "true"}, {"zookeeper.multiAddress.enabled": "true"}, made=TwoAddresses) as ensemble:
        listener = socket.create_server(("127.0.0.1", ensemble.members[3].election_port))
        listener.settimeout(60)
        with listener:
            ensemble.start(2)  # 2 dials 3, which is not there yet
            stream, _ = listener.accept()
            with stream:
                stream.settimeout(20)
                head = Reader(read_exactly(stream, 20))
                version, sid, size = head.long(), head.long(), head.int()
                said = read_exactly(stream, size).decode()
        port = ensemble.members[2].election_port
        require((version, sid) == (V2, 2), f"the initial message: version {version}, server {sid}")
        require(sorted(said.split("|")) == [f"127.0.0.1:{port}", f"127.0.0.2:{port}"], f"the initial message says {said}")
        ensemble.members[2].kill()
        leader = mixed.started(ensemble, 3)
        mixed.grow(ensemble.members[1], 50, "/before")
        way = ensemble.watch.conversations(2, 3)[-1][0].at
        ensemble.watch.relays.shut(2, 3, way)
        with Client(leader.port) as client:
            client.must(create("/after"))
        wait_until(lambda: ensemble.members[2].mode() == "follower" and same_zxid(ensemble), "the follower is back by the other way")
        require(ensemble.leader() is leader, "the leader changed")
        other = ensemble.watch.conversations(2, 3)[-1][0].at
        require(other != way, f"it is at {other} again")
        settled(ensemble, "on the other way")
        return "both said, either way taken"


def same_zxid(ensemble):
    said = [re.search(r"Zxid: (\S+)", four_letters(member.port, b"srvr")) for member in ensemble.members.values()]
    return all(said) and len({each[1] for each in said}) == 1
