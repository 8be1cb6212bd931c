"""Being asked to end, as news: for commands that run until somebody tells them to stop."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

_ENDING = ("SIGINT", "SIGTERM", "SIGHUP")


@contextlib.contextmanager
def asked_to_end(post: Callable[[int], object], *, ignore: Sequence[str] = ()) -> Iterator[None]:
    """While this lasts, `post` is called with the number of each signal that asks for the end.

    Signals named in `ignore` do nothing meanwhile; those that the system does not have are passed over. Works in the
    main thread only, as Python's signals do.
    """
    before = {}
    for name in _ENDING:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, lambda number, _: post(int(number)))
    for name in ignore:
        if (number := getattr(signal, name, None)) is not None:
            before[number] = signal.signal(number, signal.SIG_IGN)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
