"""A call in a thread of its own, for what may hang: then that thread is held, and not the request that waits for it."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def begin(call: Callable[[], T]) -> Future[T]:
    """Start the call; wait for it with `result(timeout_s)`, which raises TimeoutError. A process may end before it does."""
    future: Future[T] = Future()
    threading.Thread(target=_settle, args=(future, call), daemon=True).start()
    return future


def _settle(future: Future[T], call: Callable[[], T]) -> None:
    try:
        future.set_result(call())
    except Exception as error:  # raised again where the result is read
        future.set_exception(error)
