"""What plugins offer, as frozen descriptions: light to make, heavy only once they are used.

Every component has an `Options` model. Its fields are what a recipe may write beside the component's name, and
pydantic checks them before any work begins, so a field needs a type, a default and its unit in its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from opentimelineio.schema import Timeline

    from avlink.core.values import PictureGenerator, SoundGenerator, SoundSource

Direction: TypeAlias = Literal["v2a", "a2v"]
"""Sound for pictures, or pictures for sound."""


class Options(BaseModel):
    """Base of all options: unknown keys are refused, values are not coerced, nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A way to generate.

    `name` is what recipes say in `backend.name`, unique among all plugins. `fingerprint(options)` names everything
    that the result depends on besides the request: weights, the version of the code, options. It goes into every
    cache key, so it must change when the sound would. `load(options, device)` gives the generator; `device` is
    "cpu", "cuda" or "mps". It is the first place where heavy imports belong.

    Both are given an instance of `options`.
    """

    name: str
    direction: Direction
    options: type[Options] = Options
    fingerprint: Callable[[Any], str]
    load: Callable[[Any, str], SoundGenerator | PictureGenerator]


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioProcessor:
    """A step of the chain that finishes stems.

    `name` is what recipes say in `stems.post`. `apply(wave, options)` is pure: it returns new sound of the same rate,
    channels and length. `version` is part of the stem's cache key; raise it when the sound changes.

    With `whole`, `apply` is given a `Waveform`: the whole stem in memory. Without, it is given a `SoundSource` and
    should answer with one that works when it is read, so that hours of sound need no more memory than seconds.
    """

    name: str
    options: type[Options] = Options
    apply: Callable[[Any, Any], SoundSource]
    version: str = "1"
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFormat:
    """A file written beside the finished timeline, for what OTIO's own adapters cannot express.

    `name` is what recipes say in `write.also`, `suffix` begins with a dot. `write(timeline, path)` must not change
    the timeline; the path it is given is a temporary one in the target folder.
    """

    name: str
    suffix: str
    write: Callable[[Timeline, Path], None]


Component: TypeAlias = Backend | AudioProcessor | TimelineFormat
