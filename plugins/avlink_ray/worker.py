"""The worker: a process of the cluster that loads the model once and answers one request at a time."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator, Sequence
from typing import Any

from avlink import ExecutorError, PictureRequest, PluginError, SoundRequest, __version__, pick_device
from avlink.hooks import ReadyBackend, load_registry
from avlink_ray.blocks import BlockLayout, RayFrames, RaySound, blocks_of, layout_of
from avlink_ray.messages import BackendSpec, ErrorReport, GeneratorInfo, Request, report_of


class RayWorker:
    """The class of Ray's actor. No method raises: errors are results, so that an actor that fails has died."""

    def __init__(self, spec: BackendSpec) -> None:
        self._generator: Any = None
        self._result: Any = None
        self._step: tuple[int, int, int] | None = None
        self._info: GeneratorInfo | ErrorReport
        try:
            self._info = self._load(spec)
        except Exception as error:
            self._info = report_of(error)

    def describe(self) -> tuple[int, GeneratorInfo | ErrorReport]:
        """Return the id of this process and the properties of what it loaded."""
        return os.getpid(), self._info

    def progress(self) -> tuple[int, int, int] | None:
        """Return the id of the request under way, its steps done, and its steps in all; None between requests."""
        return self._step

    def generate(self, request: Request, references: Sequence[Any]) -> BlockLayout | ErrorReport:
        """Answer a request and return the layout of the result, which `read` then yields."""
        import ray

        def on_step(done: int, total: int) -> None:
            self._step = request.id, done, total

        try:
            source = (RaySound if request.layout.is_sound else RayFrames)(request.layout, references, ray.get)
            results = self._generator.generate([_with_input(request, source)], on_step=on_step)
            if len(results) != 1:
                raise PluginError(f"it answered {len(results)} of 1 requests")
            self._result = results[0]
            return layout_of(self._result)
        except Exception as error:
            return report_of(error, request.id)
        finally:
            self._step = None

    def read(self, layout: BlockLayout) -> Iterator[Any]:
        """Yield the blocks of the last result."""
        yield from blocks_of(self._result, layout)
        self._result = None

    def _load(self, spec: BackendSpec) -> GeneratorInfo:
        # torch reads this when it is imported; Ray sets it to the number of processors of the worker.
        os.environ["OMP_NUM_THREADS"] = str(spec.threads or 1)
        with contextlib.suppress(OSError):
            # Relative paths in options start from the folder of the run, if this machine has it.
            os.chdir(spec.folder)
        backend = load_registry().backend(spec.backend)
        ready = ReadyBackend(backend=backend, options=backend.options.model_validate_json(spec.options))
        if (__version__, ready.fingerprint()) != (spec.version, spec.fingerprint):
            raise ExecutorError(
                f"the worker on '{platform.node()}' would make another sound: its AVLink {__version__}, its plugins or "
                f"its model are not those of this machine ({spec.version}); install the same there"
            )
        self._generator = ready.load(pick_device(spec.device))
        return GeneratorInfo(sample_rate=self._generator.sample_rate, picture=self._generator.picture)


def _with_input(request: Request, source: Any) -> SoundRequest | PictureRequest:
    values: dict[str, Any] = {"duration_s": request.duration_s, "prompt": request.prompt, "seed": request.seed}
    if request.layout.is_sound:
        return PictureRequest(sound=source, **values)
    return SoundRequest(frames=source, **values, **request.conditions)
