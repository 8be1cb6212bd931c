"""The OTIO hook script `avlink_sonify`: timelines that a program writes with OTIO get sound for their clips.

    options = {"avlink": {"prompt": "footsteps on gravel", "seed": 3}}
    otio.adapters.write_to_file(timeline, "cut.otio", hook_function_argument_map=options)

    otioconvert -i cut.edl -o cut.otio -H avlink=True
    AVLINK_OTIO_HOOK=1 program-that-cannot-be-told ...

It does nothing unless it is asked: by the argument "avlink", which is True or a dictionary, or by the environment
variable AVLINK_OTIO_HOOK, which is 1 or a JSON object, for calls that cannot be changed; {"avlink": False} says no to
that. The dictionary holds options of `avlink sonify` by their long names, and two of ours: `strict` lets the write fail
where AVLink does, and `command` is the AVLink to call where it is not the one of this interpreter.

It is attached to `pre_adapter_write`: what it returns is what is written, once, in the program's own way. Where AVLink
fails, that is the timeline as it came, with a warning. After the write the file would have to be written again, over
the program's own, and a failure in the midst of that could take it away.

Formats are those that carry a stem to the sample and by its name: .otio, .otioz, .otiod, and our own .rpp and .csv. The
others move sound to frames, lose names or leave sound out, and may refuse what they would have written without; for
them there is `avlink export`. Relative media counts from the folder of the written file, as everywhere in OTIO; for
bundles from the current folder, as OTIO's writers of bundles have it. Stems go to `<name>.stems` beside the written
file, as those of `avlink sonify`, or where `stems` says, so that a second write finds them.

AVLink is called as a program, not imported. OTIO runs inside of editing programs and viewers, which should not load a
model, nor end when that runs out of memory; `--json` and the exit codes are a contract that is kept, functions below
`avlink` are not; and the interpreter here may be one that has no torch. For the same reason this file needs nothing
but the standard library: every OTIO program that writes loads it. What AVLink writes by itself never comes here: it is
called without the variable, and it writes text, which has no file name.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import secrets
import shutil
import subprocess
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import opentimelineio as otio

KEY = "avlink"
VARIABLE = "AVLINK_OTIO_HOOK"
_BUNDLES = (".otioz", ".otiod")
_CARRIERS = (".otio", *_BUNDLES, ".rpp", ".csv")
_OURS = ("strict", "command")
_DECIDED = ("output", "json", "dry_run", "help")
# The name of every half-written file of AVLink begins so, and what a killed run leaves of them is swept away later.
_TEMPORARY = ".avlink-tmp-"


class _Failed(Exception):
    """AVLink made no sound, or not for all clips; the text is a sentence."""


def hook_function(
    in_timeline: otio.core.SerializableObject, argument_map: Mapping[str, Any] | None = None
) -> otio.core.SerializableObject:
    """Return the timeline with the tracks of its stems if that is asked for, else as it came. It is never changed.

    Raises `otio.exceptions.OTIOError` where `strict` is asked for and a clip got no sound.
    """
    arguments = argument_map or {}
    by_call, path, strict = arguments.get(KEY), arguments.get("_filepath"), False
    try:
        options = _options(by_call, os.environ.get(VARIABLE, ""))
        if options is None:
            return in_timeline
        strict = bool(options.get("strict"))
        reason = _why_not(in_timeline, path)
        if reason is not None:
            if by_call is None:
                # The variable means whatever can have sound; a call that asks for it means this one.
                return in_timeline
            raise _Failed(reason)
        timeline, lacks = _sonify(in_timeline, os.path.abspath(str(path)), options)
        if lacks and strict:
            raise _Failed(lacks)
    except Exception as error:
        words = str(error) if isinstance(error, _Failed) else f"{type(error).__name__}: {error}"
        if strict:
            raise otio.exceptions.OTIOError(f"AVLink: {words}") from error
        _warn(f"{path or 'the timeline'} is written without new sound: {words}")
        return in_timeline
    if lacks:
        _warn(f"{path}: {lacks}")
    return timeline


def _options(by_call: Any, by_environment: str) -> dict[str, Any] | None:
    """Return the options that are asked for; None for no run. Those of the call go before those of the environment."""
    if by_call is None:
        text = by_environment.strip()
        if text.lower() in ("", "0", "false", "no", "off"):
            return None
        try:
            by_call = True if text.lower() in ("1", "true", "yes", "on") else json.loads(text)
        except ValueError:
            raise _Failed(f"{VARIABLE} is neither 1 nor a JSON object of options: {text}") from None
    if isinstance(by_call, bool):
        return {} if by_call else None
    if not hasattr(by_call, "items"):
        raise _Failed(f"'{KEY}' is {by_call!r}; it is True, or a dictionary of options of `avlink sonify`")
    return dict(by_call.items())


def _why_not(timeline: otio.core.SerializableObject, path: Any) -> str | None:
    if not isinstance(timeline, otio.schema.Timeline):
        return f"this is a {type(timeline).__name__}, and only a whole timeline can be given its sound"
    if not path:
        return "it is written to a string, which has no folder for stems; write it to a file"
    if os.path.splitext(str(path))[1].lower() not in _CARRIERS:
        known = ", ".join(_CARRIERS)
        return f"its format does not carry stems as they are, {known} do; write .otio and use `avlink export`"
    return None


def _sonify(
    timeline: otio.schema.Timeline, path: str, options: Mapping[str, Any]
) -> tuple[otio.schema.Timeline, str | None]:
    """Return the timeline as AVLink wrote it, and a sentence on clips that failed.

    It lies as a file where its relative media counts from while AVLink reads it. Raises _Failed.
    """
    stem, suffix = os.path.splitext(path)
    is_bundle = suffix.lower() in _BUNDLES
    folders = [*([os.getcwd()] if is_bundle else []), os.path.dirname(path)]
    folder = next((folder for folder in folders if os.access(folder, os.W_OK)), folders[-1])
    token = f"{_TEMPORARY}{secrets.token_hex(6)}"
    given, made = (os.path.join(folder, f"{token}{end}") for end in (".otio", ".foley.otio"))
    stems = options.get("stems") or f"{stem.removesuffix('.foley')}.stems"
    try:
        otio.core.serialize_json_to_file(timeline, given, {}, 4)
        if suffix.lower() == ".otio" and os.path.isfile(path):
            # Which takes are heard is remembered where the project is written again.
            shutil.copyfile(path, made)
        asked = {**options, "stems": stems, "skip_missing": True}
        report = _run([given, f"--output={made}", *_arguments(asked)], options.get("command"))
        if "error" in report:
            raise _Failed(str(report["error"].get("message")).replace(given, path))
        lacks = _lacks(report, skips=bool(options.get("skip_missing")))
        if not report.get("output"):
            raise _Failed(lacks or "there was nothing to do")
        sonified = otio.core.deserialize_json_from_file(made)
        os.remove(given)
        os.remove(made)
        for name in [] if is_bundle else _named(folder, token):
            # What else the recipe asks for, a preview or a cue sheet, is called after the timeline.
            os.replace(os.path.join(folder, name), f"{stem.removesuffix('.foley')}{name.removeprefix(token)}")
    finally:
        for name in _named(folder, token):
            with contextlib.suppress(OSError):
                os.remove(os.path.join(folder, name))
    if is_bundle:
        _check_reach(sonified)
    return sonified, lacks


def _named(folder: str, start: str) -> list[str]:
    try:
        return [name for name in os.listdir(folder) if name.startswith(start)]
    except OSError:
        return []


def _arguments(options: Mapping[str, Any]) -> Iterator[str]:
    """Yield options as words of a command line; True stands for a switch, a list for an option that is repeated."""
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if name in _OURS or value is None or value is False:
            continue
        if name.replace("-", "_") in _DECIDED:
            raise _Failed(f"'{name}' is not for the hook, which takes the other options of `avlink sonify`")
        if value is True:
            yield option
        elif name == "tracks" and not isinstance(value, str):
            yield f"{option}={','.join(map(str, value))}"
        elif isinstance(value, str) or not isinstance(value, Sequence):
            yield f"{option}={value}"
        else:
            yield from (f"{option}={one}" for one in value)


def _run(arguments: Sequence[str], command: Any) -> dict[str, Any]:
    """Return the output of `avlink sonify --json`, with progress on a terminal. Raises _Failed when there is none."""
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    # A folder of a film may hold anything, also a `random.py`: modules are not looked for there.
    environment |= {"PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    seen = sys.stderr is not None and sys.stderr.isatty()
    words = [*_program(command), "sonify", *arguments, "--json"]
    pipes: dict[str, Any] = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    pipes["stderr"] = None if seen else subprocess.PIPE
    try:
        done = subprocess.run(words, env=environment, encoding="utf-8", errors="replace", check=False, **pipes)
    except OSError as error:
        raise _Failed(f"{words[0]} cannot be run: {error.strerror or error}") from error
    try:
        report: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        last = (done.stderr or "").strip().splitlines()[-1:] or ["it said nothing"]
        raise _Failed(f"{' '.join(words[:3])} ended with {done.returncode}: {last[0]}") from None
    return report


def _program(command: Any) -> list[str]:
    """Return AVLink as words of a command line. Within another program `sys.executable` is that program."""
    if command:
        return [command] if isinstance(command, str) else [str(word) for word in command]
    is_python = os.path.basename(sys.executable or "").lower().startswith("python")
    if is_python and importlib.util.find_spec("avlink") is not None:
        return [sys.executable, "-m", "avlink"]
    found = shutil.which("avlink")
    if found is None:
        raise _Failed("there is no AVLink beside this Python, nor on the PATH; say where it is with 'command'")
    return [found]


def _lacks(report: Mapping[str, Any], *, skips: bool) -> str | None:
    """Return a sentence on clips that got no sound, with those without media unless `skips`; None when all have one."""
    items = report.get("items", ())
    failed = [one for one in items if one.get("status") == "failed" or (one.get("missing") and not skips)]
    if not failed:
        return None
    named = "; ".join(f"{item.get('name')}: {item.get('reason')}" for item in failed[:3])
    more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
    clips = "clip" if len(failed) == 1 else "clips"
    return f"{len(failed)} {clips} got no sound: {named}{more}"


def _check_reach(timeline: otio.schema.Timeline) -> None:
    """Raise _Failed where OTIO's writer of bundles, which decodes paths twice, does not find a stem, and would fail."""
    for track in timeline.tracks:
        if isinstance(track, otio.schema.Track) and KEY in track.metadata:
            for clip in track.find_clips():
                url = getattr(clip.media_reference, "target_url", "")
                if not os.path.isfile(otio.url_utils.filepath_from_url(url)):
                    raise _Failed(f"OTIO's writer of bundles does not find {url}; give a plainer path with 'stems'")


def _warn(sentence: str) -> None:
    try:
        warnings.warn(f"AVLink: {sentence}", stacklevel=2)
    except Warning:
        # Where warnings are errors, the write goes on all the same.
        print(f"warning: AVLink: {sentence}", file=sys.stderr)
