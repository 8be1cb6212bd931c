"""Work in processes of its own: all of it is done, and no death of one is missed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from typing import Any

import pytest

from avlink.core.errors import AvlinkError, MediaError
from avlink.core.processes import exit_name, on_termination, picklable, run_in_processes

PID = "__import__('os').getpid()"
LONG_S = 300.0
LONG = f"__import__('time').sleep({LONG_S})"
DEATH = "__import__('signal').raise_signal(9)"


def _do(works: list[str], *, processes: int = 2) -> list[tuple[str, Any]]:
    """The works, which are expressions, with their values."""
    found: list[tuple[str, Any]] = []
    run_in_processes(
        works,
        eval,
        lambda work, result: found.append((work, result)),
        processes=processes,
        describe_loss=lambda work, fate: f"{work} {fate}",
    )
    return found


def test_all_is_done_in_no_more_processes_than_are_asked_for() -> None:
    works = [f"{PID}, {number}" for number in range(7)]
    found = _do(works)
    assert sorted(work for work, _ in found) == works
    assert {work: number for work, (_, number) in found} == {work: number for number, work in enumerate(works)}
    processes = {pid for _, (pid, _) in found}
    assert 1 <= len(processes) <= 2 and os.getpid() not in processes
    assert _do([]) == [] and multiprocessing.active_children() == []


@pytest.mark.parametrize(
    ("work", "error", "words"),
    [
        (DEATH, AvlinkError, r"was ended from outside \(SIGKILL\)"),
        ("open('/nothing/here')", FileNotFoundError, "/nothing/here"),
        ("1 / 0", RuntimeError, "division by zero"),
        (f"exec('from {MediaError.__module__} import MediaError; raise MediaError(\"no sound\")')", MediaError, "no s"),
    ],
)
def test_what_ends_one_is_told_and_ends_all(work: str, error: type[Exception], words: str) -> None:
    start_s = time.monotonic()
    with pytest.raises(error, match=words):
        _do([LONG, work])
    assert time.monotonic() - start_s < LONG_S / 2 and multiprocessing.active_children() == []


class _Deadly:
    """Ends the process that reads it, which has hardly begun."""

    def __call__(self, work: int) -> int:
        raise AssertionError("nobody gets so far")

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (3,)


def test_a_process_that_dies_while_it_begins_is_told() -> None:
    with pytest.raises(AvlinkError, match="7 ended with exit code 3"):
        run_in_processes(
            [7], _Deadly(), lambda work, result: None, processes=2, describe_loss=lambda work, fate: f"{work} {fate}"
        )


def test_what_is_raised_while_a_result_is_noted_ends_all() -> None:
    def interrupt(work: str, result: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_in_processes([PID, LONG], eval, interrupt, processes=2, describe_loss=lambda work, fate: fate)
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="Windows has other signals")
def test_signals_of_termination_are_news_and_handlers_come_back() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    heard: list[int] = []
    with on_termination(heard.append, ignore=("SIGUSR1",)):
        for number in (*before, signal.SIGUSR1):
            signal.raise_signal(number)
    assert heard == list(before)
    assert {number: signal.getsignal(number) for number in before} == before
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_signals_that_the_system_lacks_are_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    # As on Windows.
    monkeypatch.delattr(signal, "SIGHUP", raising=False)
    heard: list[int] = []
    with on_termination(heard.append, ignore=("SIGIO", "SIGNOTHING")):
        signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGTERM]


@pytest.mark.parametrize(("code", "name"), [(-9, "SIGKILL"), (-15, "SIGTERM"), (1, "1"), (0, "0"), (None, "None")])
def test_exit_codes_are_named_by_their_signal(code: int | None, name: str) -> None:
    assert exit_name(code) == name


def test_errors_of_ours_travel_as_they_are_and_others_with_their_traceback() -> None:
    ours = MediaError("no sound")
    assert picklable(ours) is ours
    try:
        raise KeyError("x")
    except KeyError as error:
        sent = picklable(error)
    assert type(sent) is RuntimeError and "KeyError: 'x'" in str(sent) and "test_processes" in str(sent)
