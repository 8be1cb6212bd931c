"""The thread that generates: one job after the other, each as one call of the generator."""

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

_SAMPLE = np.dtype("<f4")
_FRAMES_PER_BLOCK = 64

Generator = SoundGenerator | PictureGenerator
OnEnd = Callable[[ServerJob, State, float], None]
"""Called with a job that ended, its state, and the seconds it took."""


class JobWorker:
    """Works on the jobs of a queue until that is closed."""

    def __init__(
        self,
        jobs: JobQueue,
        generators: dict[Direction, Generator],
        *,
        on_start: Callable[[ServerJob], None],
        on_end: OnEnd,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._jobs, self._generators = jobs, generators
        self._on_start, self._on_end, self._clock = on_start, on_end, clock
        # A daemon: a second Ctrl-C must be able to end the program in the middle of a step.
        self._thread = threading.Thread(target=self._run, name="avlink-work", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def join(self, timeout_s: float) -> bool:
        """Wait for the thread, which ends after the queue is closed; return True if it has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (job := self._jobs.take()) is not None:
            self._on_start(job)
            began = self._clock()
            outcome = self._outcome(job)
            now = self._clock()
            state = self._jobs.finish(job, outcome, now=now, took_s=now - began)
            self._on_end(job, state, now - began)

    def _outcome(self, job: ServerJob) -> tuple[ResultPart, ...] | JobFailure:
        try:
            return self._generate(job)
        except JobCancelled:
            return JobFailure(kind="failed", message="cancelled")
        except Exception as error:
            # A backend is foreign code: whatever it raises must not end the server.
            return job_failure(error)

    def _generate(self, job: ServerJob) -> tuple[ResultPart, ...]:
        def on_step(done: int, total: int) -> None:
            if job.stop.is_set():
                raise JobCancelled
            self._jobs.set_progress(job, done, total)

        generator = self._generators[job.request.direction]
        generate = cast("Callable[..., Sequence[Any]]", generator.generate)
        # All requests of a job in one call: the same batch as on the client's machine gives the same last bits.
        answers = generate(requests_of(job, generator), on_step=on_step)
        if len(answers) != len(job.request.requests):
            raise PluginError(f"it answered {len(answers)} of {len(job.request.requests)} requests")
        job.result = Result()
        return tuple(_part(answer, job, job.result) for answer in answers)


def requests_of(job: ServerJob, generator: Generator) -> list[SoundRequest] | list[PictureRequest]:
    """Return the requests of a job, whose pictures or sounds are read from its upload as they are needed."""
    upload, start = np.zeros(0, np.uint8), 0
    if job.request.upload_bytes:
        # Copy on write: generators may write to what they read.
        upload = np.memmap(job.upload.file(), np.uint8, mode="c", shape=(job.request.upload_bytes,))
    spec, sounds, pictures = generator.picture, [], []
    for item in job.request.requests:
        prompt = Prompt(text=item.prompt, negative=item.negative)
        duration_s = Fraction(item.duration_s)
        if job.request.direction == "v2a":
            shape = (item.count, spec.height, spec.width, 3)
            stop = start + item.count * spec.height * spec.width * 3
            frames = Frames(pixels=np.asarray(upload[start:stop]).reshape(shape), rate=spec.rate)
            asked = {"duration_s": duration_s, "prompt": prompt, "seed": item.seed, **item.conditions()}
            sounds.append(SoundRequest(frames=frames, **asked))
        else:
            stop = start + item.count * _SAMPLE.itemsize
            samples = np.asarray(upload[start:stop]).view(_SAMPLE)[None]
            wave = Waveform(samples=samples, sample_rate=generator.sample_rate)
            pictures.append(PictureRequest(sound=wave, duration_s=duration_s, prompt=prompt, seed=item.seed))
        start = stop
    return sounds if job.request.direction == "v2a" else pictures


def job_failure(error: Exception) -> JobFailure:
    """Return the failure that tells a client of an error of the generator."""
    words = " ".join(str(error).split())
    # torch has an error of its own, which cannot be named without importing torch.
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return JobFailure(kind="failed", message="there is not enough memory for it on the server")
    if isinstance(error, InputError):
        return JobFailure(kind="input", message=words)
    return JobFailure(
        kind="failed", message=words if isinstance(error, AvlinkError) else f"{type(error).__name__}: {words}"
    )


def _part(answer: SoundSource | FrameSource, job: ServerJob, result: Result) -> ResultPart:
    if job.request.direction == "v2a":
        sound = cast(SoundSource, answer)
        size, digest = result.add(_until_stopped(_sound_bytes(sound), job))
        return ResultPart(bytes=size, digest=digest, count=sound.num_samples, channels=sound.channels)
    frames = cast(FrameSource, answer)
    size, digest = result.add(_until_stopped(_frame_bytes(frames), job))
    return ResultPart(bytes=size, digest=digest, count=frames.num_frames)


def _until_stopped(blocks: Iterator[bytes], job: ServerJob) -> Iterator[bytes]:
    """Yield the blocks while the job is wanted: generators make long results only while they are read."""
    for block in blocks:
        if job.stop.is_set():
            raise JobCancelled
        yield block


def _sound_bytes(sound: SoundSource) -> Iterator[bytes]:
    # Blocks, since a sound of hours would not fit into memory twice.
    return (np.ascontiguousarray(block.T, _SAMPLE).tobytes() for block in read_blocks(sound))


def _frame_bytes(frames: FrameSource) -> Iterator[bytes]:
    for start in range(0, frames.num_frames, _FRAMES_PER_BLOCK):
        yield np.ascontiguousarray(frames.read(start, start + _FRAMES_PER_BLOCK), np.uint8).tobytes()
