"""The extractor that needs no weights: levels in mel bands, of which a Fréchet distance is a gate against regressions.

It is no FAD: nothing in it knows what sounds are, and its numbers have nothing to do with published ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from avlink.core.features import Content, Features
from avlink.core.sound import read_whole
from avlink.core.values import SoundSource
from avlink.hooks import Extractor, ExtractorOptions, ReadyExtractor
from avlink.metrics.spectral import log_mel_levels

_RATE = 16000
_POOLED = 10


class LogMelExtractor:
    """Rows of 64 levels in decibels, each the mean of 100 ms."""

    sample_rate: int | None = _RATE
    frame_rate: Fraction | None = None
    side: int | None = None

    def extract(self, content: Content) -> Mapping[str, Features]:
        """Rows "embedding", one for each 100 ms, one at least."""
        assert isinstance(content, SoundSource)
        levels = log_mel_levels(read_whole(content).samples[0], _RATE)
        whole = len(levels) // _POOLED * _POOLED
        rows = levels[:whole].reshape(-1, _POOLED, levels.shape[1]).mean(axis=1) if whole else levels.mean(0)[None]
        return {"embedding": Features(rows=rows.astype("float32"), rate=Fraction(100, _POOLED))}


LOG_MEL = ReadyExtractor(
    extractor=Extractor(
        name="log-mel",
        takes=("sound",),
        fingerprint=lambda options: "log-mel 1",
        load=lambda options, device: LogMelExtractor(),
    ),
    options=ExtractorOptions(),
)
