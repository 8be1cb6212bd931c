"""The thread that generates: one job after the other, each as the generator would be called on this machine."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Any, cast

import numpy as np

from avlink import (
    AvlinkError,
    Frames,
    FrameSource,
    InputError,
    PictureGenerator,
    PictureRequest,
    PluginError,
    Prompt,
    SoundGenerator,
    SoundRequest,
    SoundSource,
    Waveform,
    read_blocks,
)
from avlink.hooks import Direction
from avlink_remote.job import JobCancelled, Result, ServerJob
from avlink_remote.job_queue import JobQueue
from avlink_remote.protocol import JobFailure, ResultPart, State

SAMPLE = np.dtype("<f4")
_FRAMES = 64

Generator = SoundGenerator | PictureGenerator
OnEnd = Callable[[ServerJob, State, float], None]
"""Called with a job that ended, how, and the seconds it took."""


class JobWorker:
    """Works off the board until that closes."""

    def __init__(
        self,
        board: JobQueue,
        generators: dict[Direction, Generator],
        *,
        on_start: Callable[[ServerJob], None],
        on_end: OnEnd,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._board, self._generators = board, generators
        self._on_start, self._on_end, self._clock = on_start, on_end, clock
        self._thread = threading.Thread(target=self._run, name="avlink-work", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ended(self, timeout_s: float) -> bool:
        """Wait for the end, once the board is closed; whether it came."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._board.take()) is not None:
            self._on_start(job)
            began = self._clock()
            outcome = self._outcome(job)
            now = self._clock()
            state = self._board.end(job, outcome, now=now, took_s=now - began)
            self._on_end(job, state, now - began)

    def _outcome(self, job: ServerJob) -> tuple[ResultPart, ...] | JobFailure:
        try:
            return self._made(job)
        except JobCancelled:
            return JobFailure(kind="failed", message="cancelled")
        except Exception as error:
            # A backend is foreign code: whatever it raises must not end the server.
            return explain(error)

    def _made(self, job: ServerJob) -> tuple[ResultPart, ...]:
        def on_step(done: int, total: int) -> None:
            if job.stop.is_set():
                raise JobCancelled
            self._board.step(job, done, total)

        generator = self._generators[job.wish.direction]
        generate = cast("Callable[..., Sequence[Any]]", generator.generate)
        answers = generate(requests_of(job, generator), on_step=on_step)
        if len(answers) != len(job.wish.requests):
            raise PluginError(f"it answered {len(answers)} of {len(job.wish.requests)} requests")
        job.result = Result()
        return tuple(_part(answer, job, job.result) for answer in answers)


def requests_of(job: ServerJob, generator: Generator) -> list[SoundRequest] | list[PictureRequest]:
    """The requests of a job, whose pictures or sounds are read from its upload as they are needed."""
    upload, start = np.zeros(0, np.uint8), 0
    if job.wish.upload_bytes:
        # Copy on write: a generator may write to what it read, as to anybody's pictures.
        upload = np.memmap(job.upload.file(), np.uint8, mode="c", shape=(job.wish.upload_bytes,))
    spec, sounds, pictures = generator.picture, [], []
    for asked in job.wish.requests:
        prompt = Prompt(text=asked.prompt, negative=asked.negative)
        duration_s = Fraction(asked.duration_s)
        if job.wish.direction == "v2a":
            shape = (asked.count, spec.height, spec.width, 3)
            stop = start + asked.count * spec.height * spec.width * 3
            frames = Frames(pixels=np.asarray(upload[start:stop]).reshape(shape), rate=spec.rate)
            sounds.append(SoundRequest(frames=frames, duration_s=duration_s, prompt=prompt, seed=asked.seed))
        else:
            stop = start + asked.count * SAMPLE.itemsize
            samples = np.asarray(upload[start:stop]).view(SAMPLE)[None]
            wave = Waveform(samples=samples, sample_rate=generator.sample_rate)
            pictures.append(PictureRequest(sound=wave, duration_s=duration_s, prompt=prompt, seed=asked.seed))
        start = stop
    return sounds if job.wish.direction == "v2a" else pictures


def explain(error: Exception) -> JobFailure:
    """What a generator raised, in words."""
    words = " ".join(str(error).split())
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return JobFailure(kind="failed", message="there is not enough memory for it on the server")
    if isinstance(error, InputError):
        return JobFailure(kind="input", message=words)
    return JobFailure(
        kind="failed", message=words if isinstance(error, AvlinkError) else f"{type(error).__name__}: {words}"
    )


def _part(answer: SoundSource | FrameSource, job: ServerJob, result: Result) -> ResultPart:
    if job.wish.direction == "v2a":
        sound = cast(SoundSource, answer)
        size, digest = result.add(_watched(_sound_bytes(sound), job))
        return ResultPart(bytes=size, digest=digest, count=sound.num_samples, channels=sound.channels)
    frames = cast(FrameSource, answer)
    size, digest = result.add(_watched(_frame_bytes(frames), job))
    return ResultPart(bytes=size, digest=digest, count=frames.num_frames)


def _watched(blocks: Iterator[bytes], job: ServerJob) -> Iterator[bytes]:
    """The same blocks, until nobody wants them: long results are made while they are read."""
    for block in blocks:
        if job.stop.is_set():
            raise JobCancelled
        yield block


def _sound_bytes(sound: SoundSource) -> Iterator[bytes]:
    return (np.ascontiguousarray(block.T, SAMPLE).tobytes() for block in read_blocks(sound))


def _frame_bytes(frames: FrameSource) -> Iterator[bytes]:
    for start in range(0, frames.num_frames, _FRAMES):
        yield np.ascontiguousarray(frames.read(start, start + _FRAMES), np.uint8).tobytes()
