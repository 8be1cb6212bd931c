"""The parts of the server and the client that need no network: bookkeeping, bytes, words."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from avlink_remote.access_token import read_token
from avlink_remote.auth import has_token
from avlink_remote.job import JobDropped, Result, ServerJob
from avlink_remote.job_queue import JobQueue, QueueClosed, QueueFull, UnknownJob
from avlink_remote.plugin import RemoteOptions
from avlink_remote.protocol import JobRequest, ResultPart
from avlink_remote.recipe import Limits
from avlink_remote.remote_job import Payload
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from avlink.core.errors import InputError


def job_request(seed: int, size: int = 4) -> JobRequest:
    value: dict[str, Any] = {
        "direction": "a2v",
        "fingerprint": "f",
        "requests": [{"count": size // 4, "duration_s": "1/1", "seed": seed}],
        "upload_bytes": size,
        "upload_digest": hashlib.blake2b(bytes(size), digest_size=20).hexdigest(),
    }
    return JobRequest.model_validate(value)


def queued(jobs: JobQueue, seed: int, now: float, client: str = "a") -> ServerJob:
    status, is_new = jobs.submit(job_request(seed), client, now)
    assert is_new
    job = jobs.find(status.id, client, now)
    job.upload.add(0, bytes(4))
    assert jobs.update_upload(job).state == "queued"
    return job


def finished(jobs: JobQueue, seed: int, now: float, size: int) -> ServerJob:
    job = queued(jobs, seed, now)
    assert jobs.take() is job
    job.result = Result()
    size, digest = job.result.add([bytes(size)])
    assert jobs.finish(job, (ResultPart(bytes=size, digest=digest, count=1),), now=now, took_s=1) == "done"
    return job


@given(
    counts=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    unit=st.integers(1, 7),
    start=st.integers(0, 300),
    size=st.integers(0, 300),
)
def test_a_stretch_of_a_payload_is_that_stretch_of_all_its_bytes(
    counts: list[int], unit: int, start: int, size: int
) -> None:
    pieces = [
        bytes((number * 50 + index) % 256 for index in range(count * unit)) for number, count in enumerate(counts)
    ]
    sources = [
        (lambda first, last, piece=piece: piece[first * unit : last * unit], len(piece) // unit) for piece in pieces
    ]
    payload, whole = Payload(sources, unit), b"".join(pieces)
    assert payload.read(start, size) == whole[start : start + size]
    assert payload.size == len(whole)
    assert payload.digest() == hashlib.blake2b(whole, digest_size=20).hexdigest()


def test_jobs_are_worked_on_in_the_order_in_which_they_were_whole() -> None:
    jobs = JobQueue(Limits())
    first, second = queued(jobs, 1, 0.0), queued(jobs, 2, 0.0)
    assert [jobs.status(job).ahead for job in (first, second)] == [0, 1]
    assert jobs.take() is first and jobs.take() is second
    jobs.close()
    assert jobs.take() is None
    with pytest.raises(QueueClosed):
        jobs.submit(job_request(3), "a", 0.0)


def test_places_are_counted_until_a_job_ends_and_results_take_none() -> None:
    jobs = JobQueue(Limits(queue=2))
    finished(jobs, 1, 0.0, 10)
    job = queued(jobs, 2, 0.0)
    jobs.submit(job_request(3), "a", 0.0)
    with pytest.raises(QueueFull):
        jobs.submit(job_request(4), "a", 0.0)
    # A client that has a place keeps it, however often it asks.
    assert not jobs.submit(job_request(3), "b", 0.0)[1]
    jobs.release(job, "a", 0.0)
    assert jobs.submit(job_request(4), "a", 0.0)[1]


def test_a_job_lives_as_long_as_one_of_its_clients_is_heard_of() -> None:
    jobs = JobQueue(Limits(client_s=10))
    job = queued(jobs, 1, 0.0)
    jobs.submit(job_request(1), "b", 5.0)
    assert jobs.expire(14.0) == ()
    jobs.find(job.id, "b", 14.0)
    assert jobs.expire(23.0) == () and set(job.clients) == {"b"}
    # A stranger that looks does not want it.
    jobs.find(job.id, "c", 24.0)
    assert jobs.expire(25.0) == (job,)
    with pytest.raises(UnknownJob):
        jobs.find(job.id, "b", 25.0)
    with pytest.raises(JobDropped):
        job.upload.file()


def test_a_running_job_that_nobody_wants_is_stopped_and_asked_for_again_it_is_a_new_one() -> None:
    jobs = JobQueue(Limits(client_s=10))
    job = queued(jobs, 1, 0.0)
    assert jobs.take() is job
    assert jobs.expire(11.0) == (job,) and jobs.expire(12.0) == ()
    assert job.stop.is_set() and job.state == "running"
    assert jobs.finish(job, (), now=13.0, took_s=13.0) == "cancelled"
    assert jobs.submit(job_request(1), "a", 14.0)[1]


def test_results_are_kept_for_a_bounded_time_and_size_the_newest_always() -> None:
    queue = JobQueue(Limits(keep_s=100, keep_mb=0.002))
    jobs = [finished(queue, seed, float(seed), size) for seed, size in ((1, 900), (2, 900), (3, 900))]
    queue.expire(4.0)
    assert queue.counts() == {"done": 2} and jobs[0].result is None
    jobs.append(finished(queue, 4, 5.0, 5000))
    queue.expire(6.0)
    assert queue.counts() == {"done": 1}
    assert jobs[3].result is not None and jobs[3].result.read(4990, 100) == bytes(10)
    queue.expire(106.0)
    assert queue.counts() == {}


@pytest.mark.parametrize(
    ("header", "browser", "shown"),
    [
        ("Bearer 0123456789abcdef", False, True),
        ("bearer  0123456789abcdef ", False, True),
        ("Bearer 0123456789abcde", False, False),
        ("Bearer 0123456789abcdefg", False, False),
        ("Bearer \xe9", False, False),
        ("0123456789abcdef", False, False),
        ("", False, False),
        ("Basic YWRhOjAxMjM0NTY3ODlhYmNkZWY=", True, True),
        ("Basic YWRhOjAxMjM0NTY3ODlhYmNkZWY=", False, False),
        ("Basic AAAA", True, False),
        ("Basic !", True, False),
        ("Basic /w==", True, False),
    ],
)
def test_a_token_is_shown_whole_or_not_at_all(header: str, browser: bool, shown: bool) -> None:
    assert has_token(header, "0123456789abcdef", browser=browser) == shown


def test_a_token_comes_from_its_file_before_the_environment(tmp_path: Any) -> None:
    file = tmp_path / "token"
    file.write_text("from-the-file-0123456789\n")
    environ = {"AVLINK_TOKEN": "from-the-environment-0123"}
    assert read_token(file, environ) == "from-the-file-0123456789"
    assert read_token(None, environ) == "from-the-environment-0123"
    assert read_token(None, {}) is None
    for wrong in (b"", b"short", b"two words of a token", b"\xff" * 20, "ü".encode() * 20):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match="the token file"):
            read_token(file, environ)


@pytest.mark.parametrize("url", ["render-box:8765", "ftp://x", "http://", "http://ada:secret@x", "http://x/?token=y"])
def test_an_address_is_one_and_holds_no_secret(url: str) -> None:
    with pytest.raises(ValidationError):
        RemoteOptions(url=url)


def test_no_secret_is_an_option() -> None:
    assert set(RemoteOptions.model_fields) == {"url", "token_file", "timeout_s", "patience_s", "queue_s", "compress"}
