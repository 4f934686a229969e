"""docs/backup.md: every command in it, in order, against one ensemble."""

import pathlib
import re
import shlex
import subprocess

from cases import PATIENCE, client_of, require
from ensemble import SYNOD
from stricken import Stricken, same_trees, started, wait_for

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/backup.md"


def commands():
    return re.findall(r"^\$ (.*)$", PAGE.read_text(), re.MULTILINE)


def documented(folder, scale):
    """The page's places are links to the servers' folders, its zxid one that there was, its newcomer's line the real one."""
    with Stricken(folder, {1: "synod", 2: "java", 3: "synod"}) as ensemble:
        ensemble.begin()
        with client_of(*ensemble.servers.values()) as kazoo:
            zxids = [kazoo.create(f"/n{number}", include_data=True)[1].czxid for number in range(30)]
        four = ensemble.newcomer(4)
        for server in ensemble.servers.values():
            (folder / f"zk{server.sid}").symlink_to(server.folder)
        (folder / "backup").mkdir()
        known = {"0x500000007": f"{zxids[9]:#x}", "'server.4=zk4:2888:3888;2181'": four.line, "127.0.0.1:2181": f"127.0.0.1:{ensemble[1].port}"}
        ran = 0
        for command in commands():
            if command.startswith("#"):
                stage(ensemble, command)
                continue
            for word, real in known.items():
                command = command.replace(word, shlex.quote(real))
            words = shlex.split(command.split("  #")[0])
            require(words[0] in ("synod", "mv"), f"the page has {command}")
            if words[0] == "synod":
                words[0] = SYNOD
            ended = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE, check=False)
            require(ended.returncode == 0, f"{command} ends with {ended.returncode}: {ended.stdout}{ended.stderr}")
            ran += 1
        require(ran >= 8, f"only {ran} commands were found in {PAGE.name}")
        one, four = ensemble[1], ensemble[4]
        started(one, four)
        tree = same_trees([one, four], "at the page's end")
        require({f"/n{number}" for number in range(10)} <= tree.keys() and "/n10" not in tree, f"the tree is not that of the page's zxid: {sorted(tree)}")
        return f"{ran} commands, in order"


def stage(ensemble, words):
    """What the page says in a comment between commands."""
    if words == "# stop every server":
        for server in ensemble.servers.values():
            server.kill()
    elif words == "# start every server":
        started(*(server for server in ensemble.servers.values() if server.sid != 4))
    elif words == "# servers 2 and 3 are gone for good":
        ensemble.strike() if all(server.process for server in ensemble.servers.values()) else [server.kill() for server in ensemble.servers.values()]
    else:
        require(False, f"the page has {words!r}, of which nobody knows what it means")
