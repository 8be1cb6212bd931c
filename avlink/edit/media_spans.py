"""Spans of media files in their own timecode, for timelines that are written for a program which reads it there."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import opentimelineio as otio

from avlink.core.errors import MediaError
from avlink.core.store import Store
from avlink.edit.sources import timecode_s
from avlink.media.probe_cache import cached_probe
from avlink.timeline.dialects import MediaSpan
from avlink.timeline.resolve import MediaRoots


class MediaSpans:
    """Finds and measures the files of URLs, each once. Relative URLs count from `folder`."""

    def __init__(self, folder: Path, roots: MediaRoots, store: Store) -> None:
        self._folder, self._roots, self._store = folder, roots, store
        self._known: dict[str, MediaSpan | None] = {}

    def of(self, clip: otio.schema.Clip, url: str) -> MediaSpan | None:
        """Return the span of the file of a clip's URL; None where there is none, or it is no film or sound."""
        if url not in self._known:
            path = self._roots.file(url, self._folder)
            self._known[url] = None if path is None else self._span(path)
        return self._known[url]

    def _span(self, path: Path) -> MediaSpan | None:
        try:
            info = cached_probe(path, self._store)
        except MediaError:
            return None
        if info.video is not None:
            start_s, rate = timecode_s(info.video), info.video.rate
        else:
            start_s, rate = None if info.audio is None else info.audio.time_reference_s, None
        return MediaSpan(path=path, start_s=start_s or Fraction(0), duration_s=info.duration_s, rate=rate)
