"""Lifetime: clients outlive forks, and send what waits when their process ends."""

import atexit
import os
import threading
from typing import Protocol
from weakref import WeakSet


class Mortal(Protocol):
    """What is looked after."""

    def hold(self) -> None: ...

    def release(self) -> None: ...

    def begin_anew(self) -> None: ...

    def shutdown(self) -> bool: ...


_lock = threading.RLock()
_clients: WeakSet[Mortal] = WeakSet()
_held: list[Mortal] = []


def look_after(client: Mortal) -> None:
    """From now on."""
    with _lock:
        _clients.add(client)


def _before_fork() -> None:
    """No thread may be in the middle of something: the child would never see the end of it."""
    _lock.acquire()
    _held[:] = _clients
    for client in _held:
        client.hold()


def _after_fork_in_parent() -> None:
    for client in _held:
        client.release()
    _held.clear()
    _lock.release()


def _after_fork_in_child() -> None:
    global _lock
    _lock = threading.RLock()
    _held.clear()
    for client in list(_clients):
        client.begin_anew()


def _at_exit() -> None:
    for client in list(_clients):
        client.shutdown()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_after_fork_in_child)
atexit.register(_at_exit)
