"""Work on the next of several things while the one before is used."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from threading import Thread
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def one_ahead(
    work: Callable[[T], R], items: Sequence[T], *, on_wait: Callable[[T], None] = lambda item: None
) -> Iterator[tuple[T, R]]:
    """Yield each item with `work` of it, in order; that of the next one is under way meanwhile, in a thread.

    `on_wait` is called with an item before its result is waited for; the first is worked on after that. An exception of
    `work` is raised where its result would be yielded.
    """
    result: Future[R] | None = None
    for number, item in enumerate(items, 1):
        on_wait(item)
        done = work(item) if result is None else result.result()
        if number < len(items):
            result = _started(work, items[number])
        yield item, done


def _started(work: Callable[[T], R], item: T) -> Future[R]:
    result: Future[R] = Future()

    def run() -> None:
        try:
            result.set_result(work(item))
        except BaseException as error:
            result.set_exception(error)

    # A daemon: a process that is interrupted does not wait until a long clip is decoded.
    Thread(target=run, daemon=True).start()
    return result
