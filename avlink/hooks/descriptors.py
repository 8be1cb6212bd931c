"""What plugins offer, as frozen descriptions: light to make, heavy only once they are used.

Every component has an `Options` model. Its fields are what a recipe may write beside the component's name, and
pydantic checks them before any work begins, so a field needs a type, a default and its unit in its name.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from avlink.core.features import FeatureExtractor
    from avlink.core.recipe import Recipe
    from avlink.core.values import PictureGenerator, SoundGenerator, SoundSource
    from avlink.hooks.components import ReadyBackend
    from avlink.hooks.registry import Registry
    from avlink.timeline.flat import FlatTimeline, FlatTrack

Direction: TypeAlias = Literal["v2a", "a2v"]
"""Sound for pictures, or pictures for sound."""


Medium: TypeAlias = Literal["sound", "pictures", "scene", "text"]
"""What an extractor can describe; a scene is sound and pictures together."""


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

    `licence` says what its weights may be used for, where that is not everything: people read it when the model is
    loaded, and it stays with every stem that the model made.

    `deprecated` says what to write instead of this backend, which older recipes still name: a warning when the model
    is loaded.
    """

    name: str
    direction: Direction
    options: type[Options] = Options
    fingerprint: Callable[[Any], str]
    load: Callable[[Any, str], SoundGenerator | PictureGenerator]
    licence: str = ""
    deprecated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """An executor runs any backend somewhere else, such as on a cluster.

    `name` is what recipes say in `backend.on`. `load(backend, options, device)` gives a generator that answers as the
    backend itself would, bit for bit, and loads nothing on this machine; `device` is as the user asked for it, "auto"
    too, for there it may mean another one than here. A generator that can work on several batches side by side says
    how many in an attribute `at_once`. Where the executor itself cannot be reached, it raises `ExecutorError`.

    An executor changes no result: it is in no cache key.
    """

    name: str
    options: type[Options] = Options
    load: Callable[[ReadyBackend, Any, str], SoundGenerator | PictureGenerator]


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

    `name` is what recipes say in `write.also`, `suffix` begins with a dot. `write(timeline, path)` is given frozen
    values in exact seconds, without nesting, and a temporary path in the target folder. It returns the tracks that it
    wrote, of which users are told; None stands for the sound tracks.
    """

    name: str
    suffix: str
    write: Callable[[FlatTimeline, Path], Sequence[FlatTrack] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of the command line: `avlink <name>`.

    `summary` is the sentence that `avlink --help` shows, for which nothing is loaded. `load()` is called when the
    command is used, and is the first place where heavy imports belong. It gives a function with parameters that typer
    understands, or a `typer.Typer` with commands of its own.

    Such a function returns an `Answer`, or nothing; one that goes on for a while yields a `Line` for each thing that
    happens and returns the exit code. It prints nothing itself. With a parameter `--json` it has that too: AVLink
    then prints the payloads instead of the words. What it raises as `AvlinkError` is shown as one sentence.
    """

    name: str
    summary: str
    load: Callable[[], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeKind:
    """Another kind of recipe, with inheritance, `-s key=value` and the same messages as ours.

    `name` is what such recipes say in `kind`. `model` is their content: a subclass of `Recipe` that says
    `kind: Literal["<name>"] = "<name>"`; tables in it are `Options`. `recipes` is a package of yours: the .toml files
    that lie in it can be asked for by name. `check(recipe, registry)` gives a sentence for each mistake that the model
    alone cannot see, such as a wrong name of another component, and begins it with the key.
    """

    name: str
    model: type[Recipe]
    recipes: str | None = None
    check: Callable[[Any, Registry], Sequence[str]] | None = None


class ExtractorOptions(Options):
    """Base of the options of extractors."""

    checkpoint: str = ""
    """Where its weights lie: a file, or a folder. AVLink makes it whole, and looks whether it is there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """A pretrained network that describes clips by numbers: for metrics, and as what a model is conditioned on.

    `name` is what recipes say, `takes` what it can be given. `fingerprint(options)` names everything that its features
    depend on besides the clip: the content of the weights, the version of the code, options. `load(options, device)`
    gives it; `device` is "cpu", "cuda" or "mps". Both may count on the checkpoint being there.

    `source` says in words where its weights can be had, and `licence` what they may be used for; an extractor without
    `source` needs no weights.
    """

    name: str
    takes: tuple[Medium, ...]
    options: type[ExtractorOptions] = ExtractorOptions
    fingerprint: Callable[[Any], str]
    load: Callable[[Any, str], FeatureExtractor]
    licence: str = ""
    source: str = ""


Component: TypeAlias = Backend | Executor | AudioProcessor | TimelineFormat | Command | RecipeKind | Extractor
