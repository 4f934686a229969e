#!/usr/bin/python3
"""The size and shape of the consensus engines, measured: writes the tables in docs/engines.md anew (`-` prints them only).

Lines of code are those that are neither blank nor comment alone. A function reaches from its head to the brace that closes it, as
clang-format lays them out; lambdas belong to the function around them, and those on one line are not counted. Tests (*_test.cc,
test_*) are counted apart.
"""
import re
import statistics
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs/engines.md"
BEGIN, END = "<!-- written by tools/shape.py -->\n", "<!-- until here -->\n"
ENGINES = {"zab": "Zab", "raft": "Raft", "omnipaxos": "Omni-Paxos"}
FOLDERS = {**ENGINES, "native": "native (links of Raft and Omni-Paxos)", "": "consensus (shared by all)",
           "cluster": "cluster (where all are tested)"}

TEST_FILE = re.compile(r".*_test\.cc|test_.*")
OPENS_BODY = re.compile(r".*(\)|\}|\bconst|noexcept|override|final|-> \S+) \{")
NO_FUNCTION = re.compile(r"(if|for|while|switch|do|else|case|return|namespace|class|struct|enum|\})\b|\}")
LAMBDA = re.compile(r"\]\s*[({]")
NAME = re.compile(r"(~?[\w:]+|operator\S+?)\s*\(")
SHARED = re.compile(r'#include "(consensus/(?:native/)?\w+\.h)"')


def is_code(line):
    return bool(line.strip()) and not line.lstrip().startswith("//")


def functions(lines):
    """(name, lines) of each function."""
    for number, line in enumerate(lines):
        if not OPENS_BODY.fullmatch(line):
            continue
        first = number
        while first > 0 and is_code(lines[first - 1]) and not lines[first - 1].startswith("#") and lines[first - 1].rstrip()[-1] not in ";{}:>":
            first -= 1
        head = re.sub(r"\[\[\w+\]\]\s*", "", " ".join(part.strip() for part in lines[first:number + 1]))
        name = NAME.search(head)
        if name is None or NO_FUNCTION.match(head) or LAMBDA.search(head):
            continue
        indent = re.match(r" *", lines[first]).group()
        end = next((i for i in range(number + 1, len(lines)) if lines[i].startswith(indent + "}")), None)
        if end is None:
            continue
        yield name.group(1), end - first + 1


class Folder:
    """One folder of src/consensus, without those inside it."""

    def __init__(self, name):
        sources = sorted(file for file in (ROOT / "src/consensus" / name).iterdir() if file.suffix in (".h", ".cc"))
        text = {file.name: file.read_text().splitlines() for file in sources}
        own = {file: lines for file, lines in text.items() if not TEST_FILE.fullmatch(file)}
        self.files = len(own)
        self.code = sum(is_code(line) for lines in own.values() for line in lines)
        self.comment = sum(line.lstrip().startswith("//") for lines in own.values() for line in lines)
        self.largest = max(own, key=lambda file: len(own[file]))
        self.largest_lines = len(own[self.largest])
        found = [(length, function, file) for file, lines in own.items() for function, length in functions(lines)]
        self.longest = max(found)
        self.median = statistics.median(length for length, _, _ in found)
        self.tests = sum(is_code(line) for file, lines in text.items() if file not in own for line in lines)
        self.includes = included({header for lines in own.values() for line in lines for header in SHARED.findall(line)})


def included(headers):
    """The shared ones among them, and what these include."""
    reached, queue = set(), list(headers)
    while queue:
        if (header := queue.pop()) not in reached:
            reached.add(header)
            queue += SHARED.findall((ROOT / "src" / header).read_text())
    return reached


def table(head, rows):
    line = lambda cells: "| " + " | ".join(str(cell) for cell in cells) + " |"
    return "\n".join([line(head), "| --- |" + " ---: |" * (len(head) - 1), *map(line, rows)])


def tables():
    folders = {name: Folder(name) for name in FOLDERS}
    sizes = table(["`src/consensus/`", "files", "code", "comments", "median function", "longest function", "largest file", "code of tests"],
                  [[FOLDERS[name], f.files, f.code, f.comment, f"{f.median:g}", f"{f.longest[0]} (`{f.longest[1]}`)",
                    f"{f.largest_lines} (`{f.largest}`)", f.tests] for name, f in folders.items()])
    headers = sorted(set().union(*(folders[name].includes for name in ENGINES)))
    shares = table(["shared part", *ENGINES.values()],
                   [[f"`{header}`", *["yes" if header in folders[name].includes else "" for name in ENGINES]] for header in headers])
    return f"{sizes}\n\n{shares}\n"


if __name__ == "__main__":
    found = tables()
    if sys.argv[1:] == ["-"]:
        sys.exit(print(found))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(before + BEGIN + "\n" + found + "\n" + END + rest.partition(END)[2])
