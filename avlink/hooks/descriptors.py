"""Descriptors: what plugins offer, as frozen values that are light to make and load what is heavy when it is used.

A field that takes a function takes its dotted name as well, such as "my_package.model:load", which is imported at the
first call (`avlink.hooks.references`).

Every component has an `Options` model. Its fields are the keys that a recipe may write beside the component's name.
pydantic checks them before any work begins, so give each a type, a default, and its unit in its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from avlink.core.features import FeatureExtractor
    from avlink.core.values import HitSounds, HitSpotter, PictureGenerator, SoundGenerator, SoundSource, SoundWish
    from avlink.timeline.flat import FlatTimeline, FlatTrack

Direction: TypeAlias = Literal["v2a", "a2v"]
"""Sound for pictures, or pictures for sound."""


Medium: TypeAlias = Literal["sound", "pictures", "scene", "text"]
"""A kind of content that an extractor takes; a scene is sound and pictures together."""


class Options(BaseModel):
    """Base of all options models: it refuses unknown keys, coerces nothing and does not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backend:
    """A way to generate sound for pictures or pictures for sound.

    `name` is the value of `backend.name` in recipes, unique among all plugins. `fingerprint(options)` returns a text
    that names everything that the result depends on besides the request: weights, version of the code, options. It is
    part of every cache key, so it must change when the result would. `load(options, device)` returns the generator;
    `device` is "cpu", "cuda" or "mps". Both get an instance of the model `options`.

    `licence` states what the weights may be used for, where that is restricted. It is shown when the model is loaded
    and written into every stem. `deprecated` states what recipes should name instead of this backend; it is shown as a
    warning when the model is loaded.

    `material(options, wish)` returns a text that names what one clip's sound is made of besides the request, such as
    the recordings that fit its words; it is part of the keys of that clip alone. It is called for each clip when a run
    is planned.

    `items(options, wish, seed, takes)` chooses sounds for the hits of a clip before anything is generated: a
    `HitSounds` for each of `wish.hits`, with up to `takes` sounds. It is called where a recipe asks for an item per hit
    (`write.items`); the generator then gets a request for each sound. Without it, the sound of a clip is cut at its
    hits.
    """

    name: str
    direction: Direction
    options: type[Options] = Options
    fingerprint: Callable[[Any], str] | str
    load: Callable[[Any, str], SoundGenerator | PictureGenerator] | str
    licence: str = ""
    deprecated: str = ""
    material: Callable[[Any, SoundWish], str] | str | None = None
    items: Callable[[Any, SoundWish, int, int], Sequence[HitSounds]] | str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioProcessor:
    """A step of the chain that finishes stems.

    `name` is an entry of `stems.post` in recipes. `apply(sound, options)` is pure: it returns new sound of the same
    rate, channels and length. `version` is part of the stem's cache key; raise it when the sound changes.

    With `whole`, `apply` gets a `Waveform`: the whole stem in memory. Without, it gets a `SoundSource` and should
    return one that works when it is read, so that hours of sound need no more memory than seconds.
    """

    name: str
    options: type[Options] = Options
    apply: Callable[[Any, Any], SoundSource] | str
    version: str = "1"
    whole: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineFormat:
    """A file written beside the finished timeline, for what OTIO's own adapters cannot express.

    `name` is an entry of `write.also` in recipes, `suffix` begins with a dot. `write(timeline, path)` gets frozen
    values in exact seconds, without nesting, and a temporary path in the target folder. It returns the tracks that it
    wrote, of which users are told; None stands for the sound tracks. A format that is of use without the media that it
    names, as a sheet is, says so by `needs_media`: for all others missing media is an error of `avlink export`.
    """

    name: str
    suffix: str
    write: Callable[[FlatTimeline, Path], Sequence[FlatTrack] | None] | str
    needs_media: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the command line: `avlink <name>`.

    `summary` is the sentence in `avlink --help`, which loads nothing. `load()` is called when the command is used. It
    returns a function with parameters that typer understands, or a `typer.Typer` with commands of its own. Instead it
    may be the dotted name of that function or `typer.Typer`, which is imported when the command is used.

    The function returns an `Answer`, or nothing; one that runs for a while yields a `Line` for each event and returns
    the exit code. It prints nothing itself. If it has a parameter `--json`, AVLink prints the payloads instead of the
    text. An `AvlinkError` that it raises is shown as one sentence.
    """

    name: str
    summary: str
    load: Callable[[], Any] | str


OptionType: TypeAlias = type[str] | type[int] | type[float] | type[bool] | type[Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOption:
    """An option `--<name>` of AVLink's own commands that sets a value of the recipe.

    `commands` are the commands that get it; they must read a recipe (`-r` and `-s`). `sets` is the dotted key of the
    recipe that gets the value. `convert(value)` turns the value of the option into that of the key; without, both are
    the same. The result is checked as that of `-s key=value` is; it is applied after all `-s`, before AVLink's own
    options. An option that is not given sets nothing.

    `type` is the type of the value; a `bool` is a flag without one. `multiple` lets the option be repeated; its value
    is then a list. `help` is the sentence in `--help`, `metavar` the placeholder of the value there, and `default`
    states what holds without the option.
    """

    name: str
    commands: tuple[str, ...]
    sets: str
    help: str
    type: OptionType = str
    default: str = ""
    metavar: str = ""
    multiple: bool = False
    convert: Callable[[Any], Any] | str | None = None


class ExtractorOptions(Options):
    """Base of the options of extractors."""

    checkpoint: str = ""
    """The file or folder of the weights. AVLink makes the path absolute and checks that it exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """A pretrained network that describes clips by numbers: for metrics, and as a condition of a model.

    `name` is its name in recipes, `takes` the kinds of content that it can describe. `fingerprint(options)` names
    everything that its features depend on besides the clip: the content of the weights, the version of the code,
    options. `load(options, device)` returns it; `device` is "cpu", "cuda" or "mps". Both are called only if the
    checkpoint exists.

    `source` says where the weights can be obtained, `licence` what they may be used for; an extractor without `source`
    needs no weights.
    """

    name: str
    takes: tuple[Medium, ...]
    options: type[ExtractorOptions] = ExtractorOptions
    fingerprint: Callable[[Any], str] | str
    load: Callable[[Any, str], FeatureExtractor] | str
    licence: str = ""
    source: str = ""


class SpotterOptions(Options):
    """Base of the options of spotters."""

    sensitivity: float = Field(default=0.5, ge=0, le=1)
    """Share of weak events that count: 0 finds the clearest ones alone, 1 nearly everything that moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spotter:
    """A way to find the sounding events of a clip in its picture.

    `name` is the value of `spotter.name` in recipes. `fingerprint(options)` returns a text that names everything that
    the hits depend on besides the pictures: weights, version of the code, options. It is part of the key under which
    hits are cached. `load(options, device)` returns the spotter; `device` is "cpu", "cuda" or "mps". Both get an
    instance of the model `options`. `licence` states what the weights may be used for, where that is restricted.
    """

    name: str
    options: type[SpotterOptions] = SpotterOptions
    fingerprint: Callable[[Any], str] | str
    load: Callable[[Any, str], HitSpotter] | str
    licence: str = ""
    on_device: bool = True
    """False for a spotter that computes without torch: it is always loaded on "cpu"."""
