"""`avlink plugins new`: a small complete plugin project from the files in `avlink/templates/plugin`."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

import avlink
from avlink.core.errors import InputError, OutputError
from avlink.core.paths import make_folder, write_text
from avlink.hooks import Registry

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PREFIX = "avlink_"
# With longer names, lines of the templates would exceed 88 characters.
_MAX_CHARS = 30
_SUFFIX = ".txt"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    """A kind of component: its hook, a phrase for what the example offers, and a text on its use."""

    hook: str
    offers: str
    usage: str


_KINDS: Mapping[str, _Kind] = {
    "processor": _Kind(
        hook="avlink_audio_processors",
        offers="a processor that gives stems an echo",
        usage="""\
In a recipe, as a step that finishes stems:

    [stems]
    post = ["declick", { use = "$name", delay_s = 0.2, echo_db = -12.0 }]
""",
    ),
    "backend": _Kind(
        hook="avlink_backends",
        offers="a backend that rustles when the picture changes",
        usage="""\
In a recipe, or on the command line, as what makes the sound:

    avlink sonify cut.otio -s backend.name=$name -s backend.options.peak=0.3
""",
    ),
    "command": _Kind(
        hook="avlink_commands",
        offers="a command that says how loud files are",
        usage="""\
On the command line:

    avlink $name cut.stems/*.wav
""",
    ),
    "format": _Kind(
        hook="avlink_timeline_formats",
        offers="a list of clips beside every timeline",
        usage="""\
With any recipe, as a file beside the finished timeline:

    avlink sonify cut.otio -s 'write.also=["$name"]'
""",
    ),
}
KINDS = tuple(_KINDS)
"""Kinds of components that a new project can have."""
DEFAULT_KINDS = ("processor", "backend")
"""The two most common kinds: a step that finishes stems, and a generator of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPlugin:
    """A written project: the name of its plugin, its folder, and its files relative to the folder."""

    name: str
    folder: Path
    files: tuple[Path, ...]


def new_plugin(
    name: str,
    folder: Path | None = None,
    *,
    kinds: Sequence[str] = DEFAULT_KINDS,
    registry: Registry,
    commands: Collection[str] = (),
) -> NewPlugin:
    """Write a project for a plugin called `name` to `folder`, which must not exist (`avlink-<name>` by default).

    `commands` are those of AVLink itself, which no plugin can replace. Nothing is overwritten, and after a failure
    nothing is left behind.

    Raises InputError for a name that is invalid or taken, OutputError for a folder that exists or cannot be written.
    """
    plugin = plugin_name(name)
    chosen = [kind for kind in KINDS if kind in kinds]
    _refuse_taken(plugin, chosen, registry, commands)
    distribution = f"avlink-{plugin.replace('_', '-')}"
    target = Path(distribution) if folder is None else folder
    texts = _texts(plugin, distribution, chosen)
    make_folder(target.parent)
    try:
        target.mkdir()
    except FileExistsError:
        raise OutputError(f"{target} exists already; name a new folder with -o, or choose another name") from None
    except OSError as error:
        raise OutputError(f"{target} cannot be made: {error.strerror}; name another folder with -o") from error
    try:
        for path, text in texts.items():
            write_text(target / path, text)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise
    return NewPlugin(name=plugin, folder=target, files=tuple(texts))


def plugin_name(text: str) -> str:
    """Return the name of a plugin as in recipes: "AVLink-Slap Back" gives `slap_back`. Raises InputError if invalid."""
    name = re.sub(r"[-_.\s]+", "_", text.strip().lower()).removeprefix(_PREFIX).strip("_")
    if not _NAME.fullmatch(name) or len(name) > _MAX_CHARS:
        raise InputError(
            f"'{text}' cannot be the name of a plugin; take a letter and then letters, digits, '-' or '_', at most "
            f"{_MAX_CHARS} in all"
        )
    return name


def _refuse_taken(name: str, kinds: Sequence[str], registry: Registry, commands: Collection[str]) -> None:
    installed = {info.name: info.origin.package for info in registry.plugins}
    installed |= {failure.plugin: failure.origin.package for failure in registry.failures}
    if name in installed:
        whose = f", of {installed[name]}" if installed[name] else ""
        raise InputError(f"a plugin '{name}' is installed already{whose}; choose another name")
    known: Mapping[str, Collection[str]] = {
        "processor": registry.processors,
        "backend": registry.backends,
        "command": {*registry.commands, *commands},
        "format": registry.formats,
    }
    clashes = {(clash.kind.rpartition(" ")[2], clash.name) for clash in registry.clashes}
    for kind in kinds:
        if name in known[kind] or (kind, name) in clashes:
            raise InputError(f"there is a {kind} '{name}' already; choose another name")
    if importlib.util.find_spec(f"{_PREFIX}{name}") is not None:
        raise InputError(f"a package {_PREFIX}{name} is installed already; choose another name")


def _texts(name: str, distribution: str, kinds: Sequence[str]) -> dict[Path, str]:
    """Return the files of the project by their path in it."""
    package = f"{_PREFIX}{name}"
    modules = sorted(kinds)
    values = {
        "name": name,
        "package": package,
        "distribution": distribution,
        "needs": ".".join(avlink.__version__.split(".")[:2]),
        "offers": " and ".join(_KINDS[kind].offers for kind in kinds),
        "imports": "".join(f"from {package}.{kind} import {_KINDS[kind].hook}\n" for kind in modules),
        "hooks": "".join(f'    "{hook}",\n' for hook in sorted(_KINDS[kind].hook for kind in kinds)),
        "usage": "\n".join(Template(_KINDS[kind].usage).substitute(name=name) for kind in kinds),
        "files": "".join(f"| `{package}/{kind}.py` | {_KINDS[kind].offers} |\n" for kind in kinds),
    }
    texts = {Path(package, "py.typed"): ""}
    for path, template in sorted(_templates(resources.files("avlink") / "templates" / "plugin").items()):
        about = path.stem.removeprefix("test_")
        if about in KINDS and about not in kinds:
            continue
        place = Path(package, *path.parts[1:]) if path.parts[0] == "package" else path
        texts[place] = Template(template).substitute(values)
    return dict(sorted(texts.items()))


def _templates(folder: Traversable) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for item in folder.iterdir():
        if item.is_dir():
            found |= {Path(item.name) / path: text for path, text in _templates(item).items()}
        elif item.name.endswith(_SUFFIX):
            found[Path(item.name.removesuffix(_SUFFIX))] = item.read_text(encoding="utf-8")
    return found
