#!/usr/bin/python3
"""Fails where the documentation and the tree part.

Every folder of src/ that holds code is named in docs/architecture.md and has a README.md of at most
80 lines; every path with a slash that docs/architecture.md sets in backticks exists, below src/ or
at the root (`state/tree.h`, `docs/decisions.md`; `*` stands for anything).
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MAP = ROOT / "docs/architecture.md"
README_LINES = 80
PATH = re.compile(r"`([A-Za-z_][A-Za-z0-9_.*-]*/[A-Za-z0-9_./*-]*)`")


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


if __name__ == "__main__":
    found = list(complaints())
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)
