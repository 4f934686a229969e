#!/usr/bin/python3
"""Fails on an #include that goes where cmake/floors.cmake draws no arrow.

check_layers.py [root]: the rules are
  - a file in src/<folder> includes its own folder, its DEPS, and what those may include;
  - tests and what serves only them (*_test.cc, test_*) also their folder's TEST_DEPS;
  - "quoted" includes are ours and start at src/; every folder of src/ with code stands in the list;
  - a SANS_IO folder reads no header that waits, locks, logs or touches the system, tests excepted;
  - what lies beside or below the engines' common face names none of them, in comments neither
    (ENGINE_BLIND); tests may, for they run a replica with a real one.
"""
import re
import sys
from pathlib import Path

FOLDER = re.compile(r"^synod_folder\(([^)]*)\)", re.MULTILINE)
KEYWORDS = {"NAME", "SANS_IO", "DEPS", "TEST_DEPS", "LIBS", "PCH"}
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')

TEST_FILE = re.compile(r".*(_test\.cc|/test_[^/]*)")
BARRED_FROM_SANS_IO = re.compile(
    r"thread|mutex|shared_mutex|condition_variable|future|semaphore|latch|barrier"
    r"|fstream|iostream|filesystem|fcntl\.h|unistd\.h|sys/.*|netinet/.*|arpa/.*"
    r"|boost/(asio|beast)[./].*|spdlog/.*"
)

# Nothing here is to depend on which engine agrees: it knows consensus/engine.h at most.
# `kRaft` counts, `linearizable` and `draft` do not.
ENGINE_WORD = re.compile(r"(?<![A-Za-z])k?(Zab|zab|ZAB|Raft|raft|RAFT|FLE)(?![a-z])|(?i:paxos|ballot)")
ENGINE_BLIND = {"state", "primary", "storage", "replica"}


def read_floors(text):
    """cmake/floors.cmake as {folder: {keyword: [words]}}."""
    floors = {}
    for call in FOLDER.findall(text):
        floor, keyword = {}, None
        for word in call.split():
            if word in KEYWORDS:
                keyword = word
                floor[keyword] = []
            else:
                floor[keyword].append(word)
        floors[floor["NAME"][0]] = floor
    return floors


def reachable(floors, folder):
    """The folder, its DEPS, and what those reach."""
    reached, queue = set(), [folder]
    while queue:
        name = queue.pop()
        if name not in reached:
            reached.add(name)
            queue += floors.get(name, {}).get("DEPS", [])
    return reached


def folder_of(floors, path):
    """The listed folder that the path lies in, None if its folder is not listed."""
    folder = str(Path(path).parent)
    return folder if folder in floors else None


def barred_arrow(floors, path, bracket, target):
    """Why the file at `path` (from src/) may not include `target`; None if it may."""
    folder, is_test = folder_of(floors, path), TEST_FILE.fullmatch(path)
    if bracket == "<":
        if "SANS_IO" in floors[folder] and not is_test and BARRED_FROM_SANS_IO.fullmatch(target):
            return f"{folder} is sans-IO and must not include <{target}>"
        return None
    to = folder_of(floors, target)
    if to is None:
        return f'"{target}" is in no folder of src/ listed in cmake/floors.cmake'
    if TEST_FILE.fullmatch(target) and not is_test:
        return f'"{target}" is for tests'
    allowed = reachable(floors, folder)
    if is_test:
        for name in floors[folder].get("TEST_DEPS", []):
            allowed |= reachable(floors, name)
    return None if to in allowed else f'{folder} must not include {to}: "{target}"'


def named_engine(path, line):
    """Why the line in the file at `path` (from src/) may not stand there; None if it may."""
    folder = path.split("/")[0]
    if folder not in ENGINE_BLIND or TEST_FILE.fullmatch(path):
        return None
    found = ENGINE_WORD.search(line)
    return found and f'{folder} must not name an engine: "{found.group()}"'


def check(root):
    """Every complaint about the tree, as "file:line: reason"."""
    floors = read_floors((root / "cmake/floors.cmake").read_text())
    complaints = []
    for file in sorted((root / "src").rglob("*")):
        if file.suffix not in (".h", ".cc"):
            continue
        path = str(file.relative_to(root / "src"))
        if folder_of(floors, path) is None:
            complaints.append(f"src/{path}:1: its folder is not listed in cmake/floors.cmake")
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            if found := INCLUDE.match(line):
                if reason := barred_arrow(floors, path, *found.groups()):
                    complaints.append(f"src/{path}:{number}: {reason}")
            if reason := named_engine(path, line):
                complaints.append(f"src/{path}:{number}: {reason}")
    return complaints


if __name__ == "__main__":
    complaints = check(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    print("\n".join(complaints), end="\n" if complaints else "")
    sys.exit(1 if complaints else 0)
