"""`avlink doctor`: checks of this machine. Each runs on its own: one that fails is a finding and not the end."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal

import avlink
from avlink.core.errors import AvlinkError
from avlink.core.paths import atomic_write, cache_dir

_DECODERS = ("h264", "hevc", "prores", "dnxhd", "mjpeg", "av1", "vp9", "aac", "pcm_s24le")
_ENCODERS = ("libx264", "aac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one check: `good` if it passed, and the details as text."""

    name: str
    good: bool
    text: str


def examine() -> tuple[Finding, ...]:
    """Run all checks, in the order in which a run needs their subjects."""
    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("avlink", lambda: f"{avlink.__version__}, Python {platform.python_version()}, {platform.system()}"),
        ("torch", _torch),
        ("torchaudio", _torchaudio),
        ("media", _media),
        ("codecs", _codecs),
        ("timelines", _timelines),
        ("plugins", _plugins),
        ("cache", _cache),
    )
    return tuple(_run(name, check) for name, check in checks)


class _Problem(Exception):
    """A check failed; the message says why."""


def _run(name: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(name=name, good=True, text=check())
    except (_Problem, AvlinkError) as problem:
        return Finding(name=name, good=False, text=str(problem))
    except Exception as error:
        # A broken installation may raise anything, and the user wants to read it.
        return Finding(name=name, good=False, text=f"{type(error).__name__}: {' '.join(str(error).split())}")


def _torch() -> str:
    import torch

    devices = ["cpu"]
    if torch.cuda.is_available():
        devices += [f"cuda ({torch.cuda.get_device_name(index)})" for index in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return f"{torch.__version__}, {torch.get_num_threads()} threads, devices: {', '.join(devices)}"


def _torchaudio() -> str:
    from avlink.engine.torchaudio import torchaudio

    return str(getattr(torchaudio, "__version__", "without a version"))


def _media() -> str:
    import av

    return f"PyAV {version('av')}, FFmpeg's libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"


def _codecs() -> str:
    import av
    from av.codec import Codec

    def is_there(name: str, mode: Literal["r", "w"]) -> bool:
        try:
            Codec(name, mode)
        except (av.FFmpegError, ValueError):
            return False
        return True

    missing = [f"{name} (reading)" for name in _DECODERS if not is_there(name, "r")]
    missing += [f"{name} (writing)" for name in _ENCODERS if not is_there(name, "w")]
    if missing:
        raise _Problem(f"missing: {', '.join(missing)}")
    return f"reads {', '.join(_DECODERS)}; writes {', '.join(_ENCODERS)}"


def _timelines() -> str:
    import opentimelineio as otio

    suffixes = sorted(otio.adapters.suffixes_with_defined_adapters(read=True))
    return f"OpenTimelineIO {version('opentimelineio')}, reads .{', .'.join(suffixes)}"


def _plugins() -> str:
    from avlink.hooks import load_registry

    registry = load_registry()
    problems = [f"'{failure.plugin}': {failure.reason}" for failure in registry.failures]
    problems += [str(clash) for clash in registry.clashes]
    if problems:
        raise _Problem("; ".join(problems))
    return ", ".join(info.name for info in registry.plugins) or "none"


def _cache() -> str:
    folder = cache_dir()
    with atomic_write(folder / "doctor.txt") as temporary:
        temporary.write_text("AVLink can write here.\n", encoding="utf-8")
    free_gib = shutil.disk_usage(folder).free / 2**30
    return f"{folder}, {free_gib:.1f} GiB free"
