"""What an ensemble promises, seen from outside."""

import contextlib
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

from kazoo.client import KazooClient
from kazoo.exceptions import ConnectionLoss, OperationTimeoutError, SessionExpiredError
from kazoo.handlers.threading import KazooTimeoutError

from ensemble import SYNOD, Ensemble, Failed, Member, four_letters, free_ports
import directory  # found through ensemble

SYNODS = {1: "synod", 2: "synod", 3: "synod"}
CONFIG = {"tickTime": 500, "initLimit": 10, "syncLimit": 4}
PATIENCE = 30  # seconds; nothing here depends on how soon something happens
UNANSWERED = (ConnectionLoss, SessionExpiredError, OperationTimeoutError, KazooTimeoutError)


def require(is_so, what):
    if not is_so:
        raise Failed(what)


def wait_until(holds, what):
    deadline = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > deadline:
            raise Failed(f"after {PATIENCE} s still not so: {what}")
        time.sleep(0.02)


@contextlib.contextmanager
def client_of(*members, timeout=10.0):
    client = KazooClient(",".join(f"127.0.0.1:{member.port}" for member in members), timeout=timeout)
    client.start(PATIENCE)
    try:
        yield client
    finally:
        client.stop()
        client.close()


def quor(member):
    """What a server says of its ensemble; empty while nobody answers."""
    try:
        answer = four_letters(member.port, b"quor")
    except OSError:
        return {}
    return dict(line.split("=", 1) for line in answer.splitlines())


def serves(member):
    return quor(member).get("serving") == "true"


def add_observer(ensemble, folder, sid):
    """Only its own file knows it: the others are not told and not restarted."""
    observer = Member(sid, "synod", folder, "observer")
    observer.start([member.line for member in ensemble.members.values()] + [observer.line], ensemble.config)
    ensemble.members[sid] = observer
    ensemble.wait(sid)
    return observer


def numbered(client, root, count):
    client.ensure_path(root)
    return [client.create(f"{root}/{i:06}", b"x" * 100) for i in range(count)]


def require_all(member, root, paths):
    with client_of(member) as client:
        client.sync(root)
        there = {f"{root}/{name}" for name in client.get_children(root)}
    missing = [path for path in paths if path not in there]
    require(not missing, f"server {member.sid} lost {len(missing)} acknowledged writes, {missing[:3]} among them")


def forms(folder, scale):
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        members = list(ensemble.members.values())
        modes = sorted(member.mode() for member in members)
        require(modes == ["follower", "follower", "leader"], f"the modes are {modes}")
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(client_of(member)) for member in members]
            for round_number in range(10 * scale):
                writer, reader = clients[round_number % 3], clients[(round_number + 1) % 3]
                one_round(writer, reader, f"/round-{round_number}")
            clients[0].create("/mine", b"", ephemeral=True)
            clients[1].sync("/")
            require(clients[1].exists("/mine") is not None, "an ephemeral node is not seen elsewhere")
        with client_of(members[1]) as client:
            client.sync("/")
            require(client.exists("/mine") is None, "an ephemeral node outlived its closed session")
        status = subprocess.run([SYNOD, "status", *(f"127.0.0.1:{member.port}" for member in members)],
                                capture_output=True, text=True, check=False)
        require(status.returncode == 0, f"synod status ends with {status.returncode}: {status.stdout}{status.stderr}")
        require("A quorum is 2 of 3 voters; 1 can fail" in status.stdout, f"synod status says:\n{status.stdout}")
        return f"{10 * scale} rounds of writes, reads, watches through each"


def one_round(writer, reader, path):
    """A watch set through one server fires for a write through another; a sync makes the write seen."""
    seen = threading.Event()
    require(reader.exists(path, watch=lambda _: seen.set()) is None, f"{path} is there already")
    writer.create(path, b"1")
    require(seen.wait(PATIENCE), "a watch did not fire")
    reader.sync(path)
    require(reader.get(path)[0] == b"1", "sync and get show something older")
    version = reader.set(path, b"2").version
    writer.sync(path)
    data, stat = writer.get(path)
    require((data, stat.version) == (b"2", version), "sync and get show something older")


class Writer(threading.Thread):
    """Writes through any of the servers, and remembers what was acknowledged."""

    def __init__(self, members, root="/written"):
        super().__init__(daemon=True)
        self.members, self.root = members, root
        self.acknowledged, self.unanswered, self.zxids = [], 0, []
        self.must_stop = threading.Event()
        self.problem = None

    def run(self):
        try:
            with client_of(*self.members) as client:
                client.ensure_path(self.root)
                number = 0
                while not self.must_stop.is_set():
                    number += 1
                    self.write(client, f"{self.root}/{number:06}")
        except Exception as problem:
            self.problem = problem

    def write(self, client, path):
        try:
            _, stat = client.create(path, b"x", include_data=True)
        except UNANSWERED:
            self.unanswered += 1
            self.must_stop.wait(0.02)
            return
        self.acknowledged.append(path)
        self.zxids.append(stat.czxid)

    def wait_for_more(self, count=50):
        wanted = len(self.acknowledged) + count
        wait_until(lambda: self.problem is not None or len(self.acknowledged) >= wanted, f"{count} more writes are acknowledged")
        if self.problem is not None:
            raise self.problem

    def finish(self):
        self.must_stop.set()
        self.join(PATIENCE)
        require(self.zxids == sorted(set(self.zxids)), "acknowledged writes do not have rising zxids")
        return self.acknowledged


def survives(folder, scale):
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        return start_and_lose_leaders(ensemble, scale)[1]


def start_and_lose_leaders(ensemble, scale):
    """The writer that wrote meanwhile, and what came of it."""
    ensemble.start()
    ensemble.wait()
    writer = Writer(list(ensemble.members.values()))
    writer.start()
    writer.wait_for_more()
    for _ in range(scale):
        kill_and_restart(ensemble, writer)
    acknowledged = writer.finish()
    for member in ensemble.members.values():
        require_all(member, writer.root, acknowledged)
    return writer, f"{len(acknowledged)} writes acknowledged, {writer.unanswered} unanswered, none lost"


def kill_and_restart(ensemble, writer):
    leader = ensemble.leader()
    epoch = int(quor(leader)["epoch"])
    leader.kill()
    writer.wait_for_more()
    other = ensemble.leader()
    require(int(quor(other)["epoch"]) > epoch, "a new leader without a new epoch")
    ensemble.start(leader.sid)
    ensemble.wait(leader.sid)
    writer.wait_for_more()
    require(quor(other) and quor(other)["mode"] == "leader", "the old leader's return cost the new one its place")
    require(leader.mode() == "follower", "the old leader does not follow")
    follower = next(member for member in ensemble.members.values() if member is not other)
    follower.kill()
    writer.wait_for_more()
    ensemble.start(follower.sid)
    ensemble.wait(follower.sid)
    writer.wait_for_more()


def stopped(folder, scale):
    """Told to stop while clients write without a pause: it ends by itself, and what it acknowledged is kept."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        members = list(ensemble.members.values())
        writers = [Writer(members, f"/written-{number}") for number in range(6)]
        for writer in writers:
            writer.start()
        for round_number in range(2 * scale):
            leader = ensemble.leader()
            member = leader if round_number % 2 else next(one for one in members if one is not leader)
            for writer in writers:
                writer.wait_for_more()
            stop_and_start(ensemble, member)
        acknowledged = [(writer.root, writer.finish()) for writer in writers]
        for member in members:
            for root, paths in acknowledged:
                require_all(member, root, paths)
        return f"{2 * scale} servers stopped under load, {sum(len(paths) for _, paths in acknowledged)} writes acknowledged, none lost"


def stop_and_start(ensemble, member):
    member.signal(signal.SIGTERM)
    try:
        status = member.process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        raise Failed(f"server {member.sid} has not ended {PATIENCE} s after SIGTERM\n{member.log[-2000:]}") from None
    require(status == 0, f"server {member.sid} ended with {status} after SIGTERM\n{member.log[-2000:]}")
    ensemble.start(member.sid)
    ensemble.wait(member.sid)


def wiped(folder, scale):
    """Server 3 lags, server 2 is wiped; only server 1 knows the last writes."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        one, two, three = ensemble.members.values()
        with client_of(one, two, three) as client:
            early = numbered(client, "/early", 20)
        three.kill()
        wait_until(lambda: serves(one) and serves(two), "two of three serve")
        with client_of(one, two) as client:
            late = numbered(client, "/late", 100 * scale)
        one.kill()
        two.kill()
        two.wipe()
        ensemble.start(2, 3)
        time.sleep(5)  # ten ticks: elections come and go
        require(not serves(two) and not serves(three), "a server without memory and one that lags serve without the third")
        ensemble.start(1)
        ensemble.wait()
        for member in ensemble.members.values():
            require_all(member, "/early", early)
            require_all(member, "/late", late)
        return f"{len(early) + len(late)} writes, all there on the wiped and on the one that lagged"


def roles(folder, scale):
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        voters = list(ensemble.members.values())
        with client_of(*voters) as client:
            client.create("/data", b"seen by all")
        observers = [add_observer(ensemble, folder, sid) for sid in (4, 5)]
        for observer in observers:
            require(observer.mode() == "observer", f"an observer's mode is {observer.mode()}")
            with client_of(observer) as client:
                client.sync("/data")
                require(client.get("/data")[0] == b"seen by all", "an observer shows something else")
                client.create(f"/through-{observer.sid}", b"")
        for member in voters:
            facts = quor(member)
            require((facts["voters"], facts["quorum"], facts["tolerated"]) == ("3", "2", "1"), f"observers changed the quorum: {facts}")
        spared = reads_cost_voters_nothing(voters, observers[0], 2000 * scale)
        elections_without_observers(ensemble, voters, observers)
        said = nothing_without_majority(ensemble, voters, observers)
        return f"2 observers serve, never vote; {spared}; {said}"


def cpu_ns(member):
    """Of all its threads, so far."""
    tasks = pathlib.Path(f"/proc/{member.process.pid}/task").iterdir()
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


def reads_cost_voters_nothing(voters, observer, count):
    """What an observer serves is taken off the voters: that is the room it makes for readers."""
    with client_of(observer) as client:
        before = {member.sid: cpu_ns(member) for member in (*voters, observer)}
        for pending in [client.get_async("/data") for _ in range(count)]:
            pending.get(PATIENCE)
        spent = {member.sid: (cpu_ns(member) - before[member.sid]) / count / 1000 for member in (*voters, observer)}
    busiest = max(spent[member.sid] for member in voters)
    require(busiest < spent[observer.sid] / 2, f"reads through an observer cost the voters: {spent} microseconds each")
    return f"a read through one costs it {spent[observer.sid]:.1f} us of CPU and the busiest voter {busiest:.1f}"


def elections_without_observers(ensemble, voters, observers):
    """Each leader in turn dies; those left start an election, and an observer never wins."""
    for _ in range(2):
        leader = ensemble.leader()
        leader.kill()
        alive = [member for member in voters if member.process is not None]
        wait_until(lambda: any(quor(member).get("mode") == "leader" and serves(member) for member in alive), "a voter leads")
        for observer in observers:
            wait_until(lambda: quor(observer).get("mode") == "observer" and serves(observer), "an observer observes again")
        for member in alive:
            require("not following any more" in member.log, f"server {member.sid} did not notice the loss of its leader")
        ensemble.start(leader.sid)
        ensemble.wait()


def nothing_without_majority(ensemble, voters, observers):
    """One voter of three and two observers: three servers, and no quorum."""
    leader = ensemble.leader()
    followers = [member for member in voters if member is not leader]
    with client_of(leader) as client:
        acknowledged = numbered(client, "/before", 20)
    for follower in followers:
        follower.kill()
    wait_until(lambda: not serves(leader), "a leader without followers stops serving")
    for member in [leader, *observers]:
        wait_until(lambda: not serves(member), "nobody serves without a majority")
    require(four_letters(leader.port, b"srvr") == "This ZooKeeper instance is not currently serving requests\n", "srvr is answered")
    status = subprocess.run([SYNOD, "status", *(f"127.0.0.1:{member.port}" for member in voters)], capture_output=True, text=True, check=False)
    require(status.returncode == 1 and "looking" in status.stdout, f"synod status says:\n{status.stdout}")
    client = KazooClient(f"127.0.0.1:{leader.port}", timeout=4)
    with contextlib.suppress(*UNANSWERED):
        client.start(4)
        client.create("/without-majority", b"")
        raise Failed("a write without a majority was acknowledged")
    client.stop()
    client.close()
    ensemble.start(*(follower.sid for follower in followers))
    ensemble.wait()
    for member in voters:
        require_all(member, "/before", acknowledged)
    return "without a majority nothing was written, and nothing lost"


def kept(folder, scale):
    """Clients of the two that live on see no interruption: same socket, same session, their watches and nodes."""
    with Ensemble(folder, SYNODS, CONFIG) as ensemble:
        ensemble.start()
        ensemble.wait()
        for _ in range(scale):
            leader = ensemble.leader()
            others = [member for member in ensemble.members.values() if member is not leader]
            with contextlib.ExitStack() as stack:
                clients = [stack.enter_context(client_of(member)) for member in others for _ in range(5)]
                kept_through_a_change(ensemble, leader, clients)
            ensemble.start(leader.sid)
            ensemble.wait()
        return f"{10 * scale} clients kept connection, session, watches and ephemeral nodes"


def kept_through_a_change(ensemble, leader, clients):
    states, fired, sockets = [], [], []
    for number, client in enumerate(clients):
        client.add_listener(states.append)
        client.create(f"/mine-{number}", b"", ephemeral=True)
        client.exists("/news", watch=lambda event, number=number: fired.append(number))
        sockets.append(client._connection._socket.getsockname())
    leader.kill()
    ensemble.leader()
    for client, name in zip(clients, sockets):
        client.get_children("/")
        require(client._connection._socket.getsockname() == name, "a client had to connect again")
    require(not states, f"clients were told of {states}")
    clients[0].create("/news", b"")
    wait_until(lambda: len(fired) == len(clients), "all watches fire")
    for number, client in enumerate(clients):
        client.sync("/")
        require(client.exists(f"/mine-{number}") is not None, "an ephemeral node was lost")
    clients[0].delete("/news")


def rollover(folder, scale):
    """A new leader starts counting 100 before the point where an idle leader opens the next epoch."""
    with Ensemble(folder, SYNODS, CONFIG, {"zookeeper.testingonly.initialZxid": str(0xFFFFFFFE - 0x20000 - 100)}) as ensemble:
        ensemble.start()
        ensemble.wait()
        epoch = int(quor(ensemble.leader())["epoch"])
        writer = Writer(list(ensemble.members.values()))
        writer.start()
        for _ in range(scale):
            wait_until(lambda: writer.problem or int(quor(ensemble.leader()).get("epoch", 0)) > epoch, "a new epoch begins")
            writer.wait_for_more()
            epoch = int(quor(ensemble.leader())["epoch"])
        acknowledged = writer.finish()
        for member in ensemble.members.values():
            require_all(member, writer.root, acknowledged)
        epochs = sorted({zxid >> 32 for zxid in writer.zxids})
        require(len(epochs) > 1, f"all writes are of epoch {epochs}")
        return f"{len(acknowledged)} writes in epochs {epochs[0]} to {epochs[-1]}, none lost"


def options(folder, scale):
    """leaderServes=no keeps clients from the leader; a local session becomes global with its first ephemeral node."""
    config = {**CONFIG, "leaderServes": "no", "localSessionsEnabled": "true", "localSessionsUpgradingEnabled": "true"}
    with Ensemble(folder, SYNODS, config) as ensemble:
        ensemble.start()
        ensemble.wait()
        leader = ensemble.leader()
        one, two = (member for member in ensemble.members.values() if member is not leader)
        require("Mode: leader" in four_letters(leader.port, b"srvr"), "a leader without clients does not answer srvr")
        client = KazooClient(f"127.0.0.1:{leader.port}", timeout=4)
        with contextlib.suppress(*UNANSWERED):
            client.start(2)
            raise Failed("a leader took a client in spite of leaderServes=no")
        client.stop()
        client.close()
        with client_of(one) as client, client_of(two) as other:
            before = other.create("/before", b"", include_data=True)[1].czxid
            client.create("/made", b"locally")
            after = other.create("/after", b"", include_data=True)[1].czxid
            require(after == before + 2, f"a local session made transactions: {before:#x} to {after:#x}")
            client.create("/mine", b"", ephemeral=True)
            other.sync("/")
            owner = other.exists("/mine").ephemeralOwner
            require(owner == client.client_id[0], f"/mine belongs to {owner:#x}")
        return "the leader turns clients away; local sessions stay local until they make an ephemeral node"


def engines(folder, scale):
    """Raft and Omni-Paxos: what every engine has to do, and a directory that knows its engine."""
    said = []
    for engine in ("raft", "omnipaxos"):
        with Ensemble(folder / engine, SYNODS, {**CONFIG, "consensus": engine}) as ensemble:
            for member in ensemble.members.values():
                member.was_started = True  # no word of an operator: all find out that all are new
            writer, what = start_and_lose_leaders(ensemble, scale)
            for member in ensemble.members.values():
                require(not connects(member.election_port), f"a server with {engine} listens on its election port")
            refuse_other_engines(ensemble, engine)
            java_reads(ensemble.members[1], folder / engine / "alone", writer.root, writer.acknowledged)
            said.append(f"{engine}: {what}")
    return "; ".join(said)


def java_reads(member, folder, root, paths):
    """A copy of its directory, by a Java server on its own: what the engine logged for itself changes nothing."""
    shutil.copytree(member.folder / "data/version-2", folder / "data/version-2")
    with directory.Server("java", folder) as java:
        client = KazooClient(f"127.0.0.1:{java.port}")
        client.start(PATIENCE)
        there = {f"{root}/{name}" for name in client.get_children(root)}
        client.stop()
        client.close()
        require(there.issuperset(paths), f"Java finds {len(there)} nodes of {len(paths)}")
        require(not java.complaints(), f"Java complains: {java.complaints()}")


def linearizable(folder, scale):
    """A read through one server shows what another has just acknowledged, if the session asks for that."""
    said = []
    for engine in ("zab", "raft", "omnipaxos"):
        with Ensemble(folder / engine, SYNODS, {**CONFIG, "consensus": engine}) as ensemble:
            for member in ensemble.members.values():
                member.was_started = engine != "zab" or member.was_started
            ensemble.start()
            ensemble.wait()
            members = list(ensemble.members.values())
            with client_of(members[0]) as writer, client_of(members[1]) as one, client_of(members[2]) as other:
                for reader in (one, other):
                    reader.add_auth("synod", "reads=linearizable")
                writer.create("/seen", b"0")
                for number in range(1, 200 * scale):
                    writer.set("/seen", b"%d" % number)
                    for reader in (one, other):
                        require(reader.get("/seen")[0] == b"%d" % number, f"{engine}: {number} was acknowledged and is not seen")
        said.append(engine)
    return f"{200 * scale} writes, each seen at once through two other servers: {', '.join(said)}"


def connects(port):
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=2).close()
        return True
    return False


def refuse_other_engines(ensemble, engine):
    member = ensemble.members[1]
    member.kill()
    for other in {"zab", "raft", "omnipaxos"} - {engine}:
        member.start([each.line for each in ensemble.members.values()], {**CONFIG, "consensus": other})
        require(member.process.wait(PATIENCE) == 3, f"a directory of {engine} was taken with consensus={other}")
        require(f"belongs to the consensus engine {engine}" in member.log, "no word about whose directory it is")


def refusals(folder, scale):
    quorum, election, port = free_ports(3)
    data = pathlib.Path(folder) / "data"
    data.mkdir()
    text = (f"dataDir={data}\nclientPort={port}\ninitLimit=5\nsyncLimit=2\nelectionPortBindRetry=1\n"
            f"server.1=127.0.0.1:{quorum}:{election}\nserver.2=127.0.0.2:{quorum}:{election}\nserver.3=127.0.0.3:{quorum}:{election}\n")
    for name, my_id, extra, status, words in (
            ("no myid", None, "", 2, "myid"), ("a foreign myid", "7", "", 2, "there is no server.7"),
            ("no limits", "1", "initLimit=0\n", 2, "initLimit"), ("a taken port", "1", "", 14, str(election))):
        refuse(pathlib.Path(folder), name, text + extra, my_id, status, words, election)
    return "4 starts refused, each with status and reason"


def refuse(folder, name, text, my_id, status, words, election):
    (folder / "zoo.cfg").write_text(text)
    (folder / "data/myid").unlink(missing_ok=True)
    if my_id:
        (folder / "data/myid").write_text(my_id)
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", election))
        taken.listen()
        ended = subprocess.run([SYNOD, "serve", str(folder / "zoo.cfg")], capture_output=True, text=True, timeout=PATIENCE, check=False)
    said = ended.stdout + ended.stderr
    require(ended.returncode == status and words in said, f"{name}: status {ended.returncode}, and it says:\n{said[-1000:]}")


ALL = {case.__name__: case for case in (forms, survives, stopped, wiped, roles, kept, rollover, options, engines, linearizable, refusals)}
