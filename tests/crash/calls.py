"""The trace that shim.c leaves: one `Call` for each thing a server did to its files."""

import os
import pathlib
import struct
import subprocess
from collections import namedtuple

KINDS = [None, "open", "write", "truncate", "flush", "close", "rename", "unlink", "mkdir", "start"]
HEADER = struct.Struct("<IiqqqiIII")
Call = namedtuple("Call", "kind descriptor start end offset error paths data")

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE.parent.parent / "build" / "crash"


def shim():
    """Compiles the library if need be; its path."""
    source, library = HERE / "shim.c", BUILD / "shim.so"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        BUILD.mkdir(parents=True, exist_ok=True)
        fresh = library.with_suffix(f".{os.getpid()}")
        subprocess.run([os.environ.get("CC", "cc"), "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-o", fresh, source, "-ldl"], check=True)
        fresh.rename(library)
    return library


def environment(directory, trace, flush_us=0, fault=None):
    """What a server is started with so that it is recorded."""
    extra = {"LD_PRELOAD": str(shim()), "SYNOD_CRASH_DIR": str(directory), "SYNOD_CRASH_TRACE": str(trace),
             "SYNOD_CRASH_FLUSH_US": str(flush_us)}
    return extra | ({"SYNOD_CRASH_FAULT": fault} if fault else {})


def read(path, directory):
    """All calls, paths relative to the watched directory. What a killed server left half-written is dropped."""
    raw, calls, at = memoryview(path.read_bytes()), [], 0
    while at + HEADER.size <= len(raw):
        kind, descriptor, start, end, offset, error, path_bytes, data_bytes, _ = HEADER.unpack_from(raw, at)
        at += HEADER.size
        if at + path_bytes + data_bytes > len(raw):
            break
        paths = [os.path.relpath(p, directory) for p in bytes(raw[at:at + path_bytes]).decode().split("\0")] if path_bytes else []
        at += path_bytes
        calls.append(Call(KINDS[kind], descriptor, start, end, offset, error, paths, bytes(raw[at:at + data_bytes])))
        at += data_bytes
    return calls
