"""A shadow of the tree and of every watch table, just deep enough to say which watch events each connection must get.

Watch behaviour changed in ways that last (modes on one path, removal by kind), so the two servers' streams cannot be
compared blindly. The model keeps one set of tables per flavour ("3.8", "3.9.5"), predicts the events of each, and both
servers are held to their own prediction. It learns from replies that both servers agree on; it predicts no replies
except where the flavours differ. Section numbers refer to the client protocol reference.
"""

import base64
import hashlib
import ipaddress
from collections import defaultdict

READ, WRITE, CREATE, DELETE, ADMIN, ALL = 1, 2, 4, 8, 16, 31
OPEN = [(ALL, "world", "anyone")]
CREATED, DELETED, CHANGED, CHILDREN = 1, 2, 3, 4
STANDARD, PERSISTENT, RECURSIVE = "standard", "persistent", "recursive"
FLAVOURS = ("3.8", "3.9.5")
IP_ID = ("ip", "127.0.0.1")


class Node:
    __slots__ = ("acl", "owner", "ephemeral", "version", "aversion", "mpos", "ppos", "children", "length")

    def __init__(self, acl, owner, position, length):
        self.acl, self.owner, self.length = acl, owner, length
        self.version = self.aversion = 0
        self.mpos = self.ppos = position
        self.children = set()


def parent_of(path):
    return path[: path.rfind("/")] or "/"


def digest_id(credentials):
    hashed = base64.b64encode(hashlib.sha1(credentials.encode("latin-1")).digest()).decode()
    return ("digest", credentials.split(":", 1)[0] + ":" + hashed)


def allows(acl, ids, wanted):
    """Section 13.2."""
    if not acl or any(scheme == "super" for scheme, _ in ids):
        return True
    for perms, scheme, ident in acl:
        if perms & wanted:
            if (scheme, ident) == ("world", "anyone") or (scheme, ident) in ids:
                return True
            if scheme == "ip" and _ip_matches(ident, ids):
                return True
    return False


def _ip_matches(ident, ids):
    try:
        net = ipaddress.ip_network(ident, strict=False)
    except ValueError:
        return False
    return any(s == "ip" and ipaddress.ip_address(i) in net for s, i in ids)


def expand(acl, ids):
    """Section 13.3, the part that changes the list."""
    result = []
    for entry in dict.fromkeys(tuple(e) for e in acl):
        if entry[1] == "auth":
            result += [(entry[0], *ident) for ident in sorted(ids) if ident[0] == "digest"]
        else:
            result.append(entry)
    return result


class Tables:
    """The data and child watch tables of one server flavour: path -> slot -> set of modes (sections 12.1, 12.2, 12.5)."""

    def __init__(self, flavour):
        self.old = flavour == "3.8"
        self.data, self.child = {}, {}
        self.recursive = 0  # an upper bound; 0 spares the walk to the root

    def add(self, table, path, slot, mode):
        modes = table.setdefault(path, {}).setdefault(slot, set())
        if self.old:
            modes.clear()  # one mode a path, the last one wins
        modes.add(mode)
        self.recursive += mode == RECURSIVE

    def add_watch(self, path, slot, mode):
        self.add(self.data, path, slot, mode)
        if mode == PERSISTENT or self.old:
            self.add(self.child, path, slot, mode)

    def forget(self, slot):
        for table in (self.data, self.child):
            for path in [p for p, slots in table.items() if slot in slots]:
                self._drop(table, path, slot)

    @staticmethod
    def _drop(table, path, slot):
        del table[path][slot]
        if not table[path]:
            del table[path]

    def trigger(self, table, path, kind):
        """The slots that a change notifies; consumes standard watches."""
        hit = set()
        for slot, modes in list(table.get(path, {}).items()):
            if STANDARD in modes or PERSISTENT in modes:
                hit.add(slot)
            if RECURSIVE in modes and kind != CHILDREN:
                hit.add(slot)
            if STANDARD in modes:
                modes.discard(STANDARD)
                if not modes:
                    self._drop(table, path, slot)
        if self.recursive and kind != CHILDREN:
            while path != "/":
                path = parent_of(path)
                hit |= {slot for slot, modes in table.get(path, {}).items() if RECURSIVE in modes}
        return hit

    def _kinds(self, kind):
        """(table, mode or None for any) pairs that removal and checking of `kind` look at; None: refused."""
        if self.old:
            both = {1: [self.child], 2: [self.data], 3: [self.child, self.data]}.get(kind)
            return both and [(t, None) for t in both]
        return {
            1: [(self.child, STANDARD)], 2: [(self.data, STANDARD)], 3: [(self.child, None), (self.data, None)],
            4: [(self.child, PERSISTENT), (self.data, PERSISTENT)], 5: [(self.data, RECURSIVE)],
        }.get(kind)

    def holds(self, path, slot, kind):
        """The error a checkWatches gets."""
        kinds = self._kinds(kind)
        if kinds is None:
            return -5
        found = [t for t, mode in kinds if slot in t.get(path, {}) and (mode is None or mode in t[path][slot])]
        return 0 if found else -121

    def remove(self, path, slot, kind):
        err = self.holds(path, slot, kind)
        if err == 0:
            for table, mode in self._kinds(kind):
                modes = table.get(path, {}).get(slot)
                if modes is None:
                    continue
                modes.difference_update({mode} if mode else set(modes))
                if not modes:
                    self._drop(table, path, slot)
        return err


class Expected:
    """One event that a connection must get. Events of one group come in any order among themselves."""

    __slots__ = ("kind", "path", "position", "group")

    def __init__(self, kind, path, position, group):
        self.kind, self.path, self.position, self.group = kind, path, position, group

    def __repr__(self):
        return f"{self.kind}:{self.path}@{self.position}" + (f"/group{self.group}" if self.group else "")


class Slot:
    """One client of the test: a session and, when `up`, a connection to each server."""

    def __init__(self):
        self.session = 0        # ordinal; 0: none
        self.up = False
        self.ids = set()
        self.due = {f: [] for f in FLAVOURS}
        self.xid = 0


class Model:
    def __init__(self, slots):
        self.slots = [Slot() for _ in range(slots)]
        self.forget()

    def forget(self):
        """A fresh data directory."""
        self.position = 0       # transactions so far
        self.session_count = 0
        self.nodes = {"/": Node([], 0, 0, 0), "/zookeeper": Node([], 0, 0, 0), "/zookeeper/quota": Node([], 0, 0, 0),
                      "/zookeeper/config": Node([(READ, "world", "anyone")], 0, 0, 0)}
        for path in list(self.nodes):
            if path != "/":
                self.nodes[parent_of(path)].children.add(path[path.rfind("/") + 1:])
        self.ephemerals = defaultdict(set)
        self.reset_connections()
        for slot in self.slots:
            slot.session = 0

    def reset_connections(self):
        """The servers stopped: watches and auth are gone, the tree and sessions stay."""
        self.tables = {f: Tables(f) for f in FLAVOURS}
        for number in range(len(self.slots)):
            self.disconnect(number)

    # --- connections ---

    def connect(self, number, session):
        slot = self.slots[number]
        slot.session, slot.up, slot.ids, slot.xid = session, True, {IP_ID}, 0

    def disconnect(self, number):
        slot = self.slots[number]
        slot.up, slot.ids = False, set()
        for flavour in FLAVOURS:
            slot.due[flavour] = []
            self.tables[flavour].forget(number)

    def authenticate(self, number, scheme, data):
        ids = self.slots[number].ids
        if scheme == "digest":
            ids.add(digest_id(data))
            if data == "super:secret":
                ids.add(("super", ""))

    def may(self, number, path, wanted):
        node = self.nodes.get(path or "/")
        return node is not None and allows(node.acl, self.slots[number].ids, wanted)

    # --- transactions, in the order the servers apply them ---

    def create(self, number, path, acl, ephemeral, length):
        slot = self.slots[number]
        node = Node(expand(acl, slot.ids), slot.session if ephemeral else 0, self.position, length)
        parent = parent_of(path)
        self.nodes[path] = node
        self.nodes[parent].children.add(path[path.rfind("/") + 1:])
        self.nodes[parent].ppos = self.position
        if ephemeral:
            self.ephemerals[slot.session].add(path)
        self._fire("data", path, CREATED, node.acl)
        self._fire("child", parent, CHILDREN, self.nodes[parent].acl)

    def delete(self, path, group=0):
        node = self.nodes.pop(path)
        parent = parent_of(path)
        self.nodes[parent].children.discard(path[path.rfind("/") + 1:])
        self.nodes[parent].ppos = self.position
        if node.owner:
            self.ephemerals[node.owner].discard(path)
        for flavour, tables in self.tables.items():
            told = tables.trigger(tables.data, path, DELETED)
            self._tell(flavour, told, path, DELETED, node.acl, group)
            self._tell(flavour, tables.trigger(tables.child, path, DELETED) - told, path, DELETED, node.acl, group)
        self._fire("child", parent, CHILDREN, self.nodes[parent].acl, group)

    def set_data(self, path, length):
        node = self.nodes[path]
        node.version, node.mpos, node.length = node.version + 1, self.position, length
        self._fire("data", path, CHANGED, node.acl)

    def set_acl(self, number, path, acl):
        node = self.nodes[path]
        node.acl, node.aversion = expand(acl, self.slots[number].ids), node.aversion + 1

    def close_session(self, session):
        for path in sorted(self.ephemerals.pop(session, ())):
            self.delete(path, group=self.position)

    def _fire(self, table, path, kind, acl, group=0):
        for flavour, tables in self.tables.items():
            self._tell(flavour, tables.trigger(getattr(tables, table), path, kind), path, kind, acl, group)

    def _tell(self, flavour, numbers, path, kind, acl, group):
        """Section 12.3: delivered only to a connection that may read (Debian's 3.8.0 has this back-ported)."""
        for number in numbers:
            if allows(acl, self.slots[number].ids, READ):
                self.slots[number].due[flavour].append(Expected(kind, path, self.position, group))

    # --- watch registration ---

    def watch(self, number, table, path, flavours=FLAVOURS):
        for flavour in flavours:
            tables = self.tables[flavour]
            tables.add(getattr(tables, table), path, number, STANDARD)

    def add_watch(self, number, path, mode):
        for tables in self.tables.values():
            tables.add_watch(path, number, RECURSIVE if mode == 1 else PERSISTENT)

    def set_watches(self, number, op):
        """Section 12.4. The empty path is the root when looked up, and itself in the tables."""
        since = op["since"][0] + op["since"][1] if isinstance(op["since"], list) else op["since"]

        def tell(path, kind):
            for flavour in FLAVOURS:
                self.slots[number].due[flavour].append(Expected(kind, path, -1, 0))

        for path in op["data_paths"]:
            node = self.nodes.get(path or "/")
            if node is None:
                tell(path, DELETED)
            elif node.mpos > since:
                tell(path, CHANGED)
            else:
                self.watch(number, "data", path)
        for path in op["exist_paths"]:
            if (path or "/") in self.nodes:
                tell(path, CREATED)
            else:
                self.watch(number, "data", path)
        for path in op["child_paths"]:
            node = self.nodes.get(path or "/")
            if node is None:
                tell(path, DELETED)
            elif node.ppos > since:
                tell(path, CHILDREN)
            else:
                self.watch(number, "child", path)
        for tables in self.tables.values():
            for path in op.get("persistent_paths") or ():
                tables.add(tables.data, path, number, PERSISTENT)
                tables.add(tables.child, path, number, PERSISTENT)
            for path in op.get("recursive_paths") or ():
                tables.add_watch(path, number, RECURSIVE)
