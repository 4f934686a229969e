#!/usr/bin/python3
"""Fails where the documentation and the tree part.

Every folder of src/ that holds code is named in docs/architecture.md and has a README.md of at most
80 lines; every path with a slash that docs/architecture.md sets in backticks exists, below src/ or
at the root (`state/tree.h`, `docs/decisions.md`; `*` stands for anything). Every test that
docs/claims.md names (`Suite.Test`) is one, and no claim stands there without a test or a reason.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs/architecture.md"
CLAIMS = ROOT / "docs/claims.md"
README_LINES = 80
PATH = re.compile(r"`([A-Za-z_][A-Za-z0-9_.*-]*/[A-Za-z0-9_./*-]*)`")

NAMED_TEST = re.compile(r"`(\w+\.\w+)`")
TEST = re.compile(r"^(?:TEST|TEST_F|TEST_P|RC_GTEST_PROP)\(\s*(\w+),\s*(\w+)", re.MULTILINE)


def code_folders():
    files = (f for f in (ROOT / "src").rglob("*") if f.suffix in (".h", ".cc"))
    return sorted({f.parent.relative_to(ROOT / "src") for f in files})


def exists(path):
    return any(next(base.glob(path.rstrip("/")), None) for base in (ROOT / "src", ROOT))


def complaints():
    text = MAP.read_text() if MAP.is_file() else ""
    for folder in code_folders():
        if f"{folder}/" not in text:
            yield f"docs/architecture.md does not name src/{folder}/"
        readme = ROOT / "src" / folder / "README.md"
        if not readme.is_file():
            yield f"src/{folder}/README.md is missing"
        elif (lines := len(readme.read_text().splitlines())) > README_LINES:
            yield f"src/{folder}/README.md has {lines} lines, at most {README_LINES} fit a page"
    for path in sorted(set(PATH.findall(text))):
        if not exists(path):
            yield f"docs/architecture.md names `{path}`, which does not exist"


def unfounded_claims():
    tests = {".".join(names) for file in (ROOT / "src").rglob("*_test.cc") for names in TEST.findall(file.read_text())}
    for number, line in enumerate(CLAIMS.read_text().splitlines(), 1):
        for name in NAMED_TEST.findall(line):
            if name not in tests:
                yield f"docs/claims.md:{number} names `{name}`, which is no test"
        if line.startswith("|") and line.split("|")[-2].strip() in ("", "none", "none yet"):
            yield f"docs/claims.md:{number} has neither a test nor a reason"


if __name__ == "__main__":
    found = [*complaints(), *unfounded_claims()]
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
