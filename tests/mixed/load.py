"""Mixed operations through every member at once: what clients of an ensemble do, failures included."""

import random

from client import Client, OPEN, create

AUTH = "bob:pw"
WINDOW = 50


class Load:
    """Sessions on the given ports; operations are drawn from one seed. Counts what was answered."""

    def __init__(self, ports, seed, root="/load"):
        self.random, self.root, self.ports = random.Random(seed), root, ports
        self.answered, self.failed = 0, 0

    def run(self, operations):
        clients = [Client(port, 30_000, auths=(AUTH,)) for port in self.ports]
        try:
            if clients[0].one(create(self.root))[0] == 0:
                for i in range(20):
                    clients[0].must(create(f"{self.root}/d{i}"))
            while operations > 0:
                operations -= self.burst(clients, min(WINDOW, operations))
        finally:
            for client in clients:
                client.close()

    def burst(self, clients, count):
        """Pipelined on all connections, then all answers are read."""
        sent = [(client, self.draw()) for _ in range(count) for client in [self.random.choice(clients)]]
        for client, op in sent:
            client.send(op)
        for client, op in sent:
            error, _ = client.receive(op)
            self.answered += 1
            self.failed += error != 0
        return count

    def draw(self):
        r = self.random
        parent = f"{self.root}/d{r.randrange(20)}"
        path = f"{parent}/n{r.randrange(40)}"
        data = "x" * r.choice([0, 1, 10, 100, 1000])
        acl = r.choice([OPEN, OPEN, [(31, "auth", "")], [(1, "world", "anyone"), (31, "digest", "bob:1h9qkdpP7dKRrVDGhTLGNQgmDGw=")]])
        kind = r.choices(["create", "create2", "sequential", "ephemeral", "container", "set", "delete", "setACL", "multi", "get", "children", "sync"],
                         [14, 6, 8, 8, 4, 20, 12, 4, 8, 8, 4, 2])[0]
        if kind in ("create", "create2"):
            return create(path, data, acl, op=kind)
        if kind == "sequential":
            return create(f"{parent}/s-", data, flags=2)
        if kind == "ephemeral":
            return create(path + "e", data, flags=1)
        if kind == "container":
            return create(path + "c", data, flags=4, op="createContainer")
        if kind == "set":
            return {"op": "setData", "path": path, "data": data, "version": r.choice([-1, -1, 0, 1])}
        if kind == "delete":
            return {"op": "delete", "path": path, "version": r.choice([-1, -1, 0])}
        if kind == "setACL":
            return {"op": "setACL", "path": path, "acl": acl, "version": -1}
        if kind == "multi":
            parts = [create(path, data), {"op": "setData", "path": path, "data": "m", "version": -1},
                     {"op": "check", "path": parent, "version": -1}, {"op": "delete", "path": path, "version": -1}]
            return {"op": "multi", "ops": r.sample(parts, r.randrange(1, 5))}
        if kind == "get":
            return {"op": "getData", "path": path}
        if kind == "children":
            return {"op": "getChildren", "path": parent}
        return {"op": "sync", "path": parent}
