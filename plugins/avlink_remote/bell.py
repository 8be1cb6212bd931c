"""Waking the coroutines that wait for a change, from whatever thread it comes."""

from __future__ import annotations

import asyncio
import contextlib


class ChangeNotifier:
    """Rings in the event loop in which it is awaited."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event: asyncio.Event | None = None

    def ring(self) -> None:
        """Wake all that wait now; from any thread."""
        loop = self._loop
        if loop is not None:
            # A loop that is closed has nobody left to wake.
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(self._wake)

    def next(self) -> asyncio.Event:
        """What will be set by the next ring. Ask for it before looking at what may change."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._event is None:
            self._event = asyncio.Event()
        return self._event

    def _wake(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            event.set()

    @staticmethod
    async def wait(rung: asyncio.Event, timeout_s: float) -> None:
        """Wait until `rung` is set, `timeout_s` seconds at most."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(rung.wait(), timeout_s)
