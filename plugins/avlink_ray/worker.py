"""A process of the cluster: it loads the model once, and answers one request after the other."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from typing import Any

from avlink import ExecutorError, PictureRequest, PluginError, SoundRequest, __version__, pick_device
from avlink.hooks import ReadyBackend, load_registry
from avlink_ray.blocks import FarFrames, FarSound, Shape, blocks_of, shape_of
from avlink_ray.messages import Described, Failure, Request, Work, failure_of


class Worker:
    """What Ray makes an actor of. Nothing here raises: failures are answers, so that a worker which ends has died."""

    def __init__(self, work: Work) -> None:
        self._generator: Any = None
        self._answer: Any = None
        self._step: tuple[int, int, int] | None = None
        self._described: Described | Failure
        try:
            self._described = self._load(work)
        except Exception as error:
            self._described = failure_of(error)

    def describe(self) -> tuple[int, Described | Failure]:
        """This process, and what it loaded."""
        return os.getpid(), self._described

    def progress(self) -> tuple[int, int, int] | None:
        """Request, steps done, and steps in all."""
        return self._step

    def generate(self, request: Request, references: Sequence[Any]) -> Shape | Failure:
        """Answer a request, of which the answer can then be read."""
        import ray

        def on_step(done: int, total: int) -> None:
            self._step = request.id, done, total

        try:
            source = (FarSound if request.given.is_sound else FarFrames)(request.given, references, ray.get)
            answers = self._generator.generate([_request(request, source)], on_step=on_step)
            if len(answers) != 1:
                raise PluginError(f"it answered {len(answers)} of 1 requests")
            self._answer = answers[0]
            return shape_of(self._answer)
        except Exception as error:
            return failure_of(error, request.id)
        finally:
            self._step = None

    def read(self, shape: Shape) -> Iterator[Any]:
        """The blocks of the last answer."""
        yield from blocks_of(self._answer, shape)
        self._answer = None

    def _load(self, work: Work) -> Described:
        # Before anything imports torch: Ray has put the number of processors there.
        os.environ["OMP_NUM_THREADS"] = str(work.threads or 1)
        with contextlib.suppress(OSError):
            # What options name by a path is looked for from the same folder, where there is one.
            os.chdir(work.folder)
        backend = load_registry().backend(work.backend)
        ready = ReadyBackend(backend=backend, options=backend.options.model_validate_json(work.options))
        if (__version__, ready.fingerprint()) != (work.version, work.fingerprint):
            raise ExecutorError(
                f"the worker on '{platform.node()}' would make another sound: its AVLink {__version__}, its plugins or "
                f"its model are not those of this machine ({work.version}); install the same there"
            )
        self._generator = ready.load(pick_device(work.device))
        return Described(sample_rate=self._generator.sample_rate, picture=self._generator.picture)


def _request(request: Request, source: Any) -> SoundRequest | PictureRequest:
    told: dict[str, Any] = {"duration_s": request.duration_s, "prompt": request.prompt, "seed": request.seed}
    return PictureRequest(sound=source, **told) if request.given.is_sound else SoundRequest(frames=source, **told)
