#!/usr/bin/python3
"""tidy.py [--all] [file...]: clang-tidy over the sources in build/tidy/compile_commands.json.

A file found clean is not read again until it, a header of ours it includes, or .clang-tidy changes
(what was clean is remembered in build/tidy/clean); --all forgets that, file names narrow the run.
"""
import hashlib
import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build/tidy"
CLEAN = BUILD / "clean"
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"', re.MULTILINE)


def our_files(source):
    """The source and every header of ours it reads, directly or not."""
    found, queue = set(), [source]
    while queue:
        file = queue.pop()
        if file not in found and file.is_file():
            found.add(file)
            queue += [ROOT / "src" / name for name in INCLUDE.findall(file.read_text())]
    return sorted(found)


def fingerprint(source):
    digest = hashlib.sha256((ROOT / ".clang-tidy").read_bytes())
    for file in our_files(source):
        digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()


def tidy(source):
    """True if the source is clean; prints what is wrong with it otherwise."""
    stamp, mark = CLEAN / source.relative_to(ROOT), fingerprint(source)
    if stamp.is_file() and stamp.read_text() == mark:
        return True
    done = subprocess.run(["clang-tidy-19", "--quiet", "-p", BUILD, source],
                          capture_output=True, text=True)
    if done.returncode != 0:
        print(done.stdout or done.stderr, flush=True)
        return False
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(mark)
    return True


def main(arguments):
    database = json.loads((BUILD / "compile_commands.json").read_text())
    sources = {Path(entry["file"]) for entry in database}
    sources = {file for file in sources if (ROOT / "cmake") not in file.parents and file.is_file()}
    names = [(ROOT / name).resolve() for name in arguments if name != "--all"]
    if names:
        sources &= set(names)
    if "--all" in arguments:
        for stamp in CLEAN.rglob("*.cc"):
            stamp.unlink()
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        clean = list(pool.map(tidy, sorted(sources)))
    print(f"tidy: {len(clean)} files, {clean.count(False)} with complaints")
    return 0 if all(clean) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
