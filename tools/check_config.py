#!/usr/bin/python3
"""Fails where a key of zoo.cfg is parsed and then forgotten.

Every member of struct Config (src/server/config.h) is read somewhere outside src/server/config*: a key
without an effect has no member, and its row in the key table says why.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MEMBER = re.compile(r"^  [\w:<>]+(?:<[\w:]+>)? (\w+)(?: = [^;]*)?;", re.MULTILINE)
# Used up while the configuration is loaded.
RESOLVED_AT_LOADING = {
    "dynamic_config_file": "its lines are read with the others",
    "multi_address_enabled": "lines with several addresses are refused without it",
    "peer_type": "a hint: a warning says when the server line says otherwise",
    "session_require_client_sasl_auth": "becomes enforce_auth_*",
}


def members():
    text = (ROOT / "src/server/config.h").read_text()
    body = text[text.index("struct Config {"):]
    return MEMBER.findall(body[:body.index("\n};")])


def readers():
    for file in (ROOT / "src").rglob("*.cc"):
        if not file.name.startswith("config") and not file.name.endswith("_test.cc"):
            yield file.read_text()


def complaints():
    found = members()
    if len(found) < 40:
        yield f"only {len(found)} members of Config found: tools/check_config.py no longer understands config.h"
    source = "\n".join(readers())
    for member in found:
        is_read = re.search(rf"[.>]{member}\b", source) is not None
        if is_read == (member in RESOLVED_AT_LOADING):
            yield f"Config::{member} is " + ("read, so no exception" if is_read else "read by nobody: a key without an effect")


if __name__ == "__main__":
    problems = list(complaints())
    print("\n".join(problems), end="\n" if problems else "")
    sys.exit(1 if problems else 0)
