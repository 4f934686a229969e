"""A real client beside the recorded ones: kazoo counts under its own lock recipe, and knows what the count may be.

An increment is a setData with the version that was read: it happens once or not at all. So in the end the counter stands
between what was acknowledged and that plus what was left in doubt.
"""

import logging
import time

from kazoo.client import KazooClient
from kazoo.exceptions import BadVersionError, KazooException, NoNodeError, NodeExistsError
from kazoo.handlers.threading import KazooTimeoutError

COUNTER, LOCK = "/kazoo/counter", "/kazoo/lock"


def run(hosts, acknowledged, in_doubt, should_stop):
    logging.getLogger("kazoo").setLevel(logging.CRITICAL)
    while not should_stop():
        client = KazooClient(hosts=hosts, timeout=6.0)
        try:
            client.start(timeout=5)
            count(client, acknowledged, in_doubt, should_stop)
        except (KazooException, KazooTimeoutError):
            time.sleep(0.2)
        finally:
            client.stop()
            client.close()


def count(client, acknowledged, in_doubt, should_stop):
    try:
        client.create(COUNTER, b"0", makepath=True)
    except NodeExistsError:
        pass
    while not should_stop():
        lock = client.Lock(LOCK)
        if not lock.acquire(timeout=5):
            continue
        try:
            increment(client, acknowledged, in_doubt)
        finally:
            lock.release()
        time.sleep(0.02)


def increment(client, acknowledged, in_doubt):
    value, stat = client.get(COUNTER)
    try:
        client.set(COUNTER, str(int(value) + 1).encode(), version=stat.version)
    except (BadVersionError, NoNodeError):
        return  # refused; that, too, is an answer
    except (KazooException, KazooTimeoutError):
        in_doubt.value += 1
        raise
    acknowledged.value += 1
