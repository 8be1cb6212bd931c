"""AVLink gives every clip of an edit its sound.

These are the names that plugins need; all else is imported from where it lives. Nothing heavy is imported here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avlink.core.values import SoundSource, Waveform
    from avlink.hooks import Options, hookimpl

__version__ = "0.1.0"
__all__ = ["Options", "SoundSource", "Waveform", "__version__", "hookimpl"]


def __getattr__(name: str) -> Any:
    if name in {"SoundSource", "Waveform"}:
        from avlink.core import values

        return getattr(values, name)
    if name in {"Options", "hookimpl"}:
        from avlink import hooks

        return getattr(hooks, name)
    raise AttributeError(f"module 'avlink' has no attribute {name!r}")
