"""Audio processors that are ready to be applied, one or a whole chain; their failures name them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from avlink.core.errors import AvlinkError, PluginError
from avlink.hooks.descriptors import AudioProcessor, Options
from avlink.hooks.diagnostics import describe_call
from avlink.hooks.references import function_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from avlink.core.values import SoundSource


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyProcessor:
    """An audio processor with its checked options: call it on a sound."""

    processor: AudioProcessor
    options: Options

    @property
    def key(self) -> Mapping[str, Any]:
        """Everything that the processed sound depends on besides its input, for the stem's cache key."""
        return {
            "use": self.processor.name,
            "version": self.processor.version,
            "options": self.options.model_dump(mode="json"),
        }

    def __call__(self, sound: SoundSource) -> SoundSource:
        """Return the processed sound. Raises PluginError when the processor fails or breaks its contract.

        A processor that works when its sound is read fails then, with the same error.
        """
        from avlink.core.sound import read_whole
        from avlink.core.values import SoundSource

        name, apply = self.processor.name, function_of(self.processor.apply)
        with _failures_of(name):
            result = apply(read_whole(sound) if self.processor.whole else sound, self.options)
        if not isinstance(result, SoundSource):
            raise PluginError(f"processor '{name}' returned {type(result).__name__}, which is no sound")
        before = (sound.sample_rate, sound.channels, sound.num_samples)
        after = (result.sample_rate, result.channels, result.num_samples)
        if before != after:
            raise PluginError(f"processor '{name}' turned (rate, channels, samples) {before} into {after}")
        # A lazy result works when it is read, long after this call, and its errors must still name it.
        return result if self.processor.whole else _GuardedSound(result, name)


def apply_chain(sound: SoundSource, chain: Sequence[ReadyProcessor]) -> SoundSource:
    """Return the sound after every processor of the chain, in order."""
    for processor in chain:
        sound = processor(sound)
    return sound


class _GuardedSound:
    """A `SoundSource` whose failures name the processor that it comes from."""

    def __init__(self, sound: SoundSource, processor: str) -> None:
        self._sound, self._processor = sound, processor
        self.sample_rate, self.channels, self.num_samples = sound.sample_rate, sound.channels, sound.num_samples

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        with _failures_of(self._processor):
            return self._sound.read(start, stop)


@contextmanager
def _failures_of(processor: str) -> Iterator[None]:
    try:
        yield
    except AvlinkError:
        # Its message is made for the user already.
        raise
    except Exception as error:
        raise PluginError(f"processor '{processor}' failed: {describe_call(error)}") from error
