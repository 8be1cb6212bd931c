"""Sound for generated video: `avlink finish`, the same as a library call, and a node for ComfyUI.

Prompt extraction, provenance and the names of results are here; planning, caching, generating, mastering and muxing
belong to AVLink, and only names that `avlink` and `avlink.hooks` export are used.

    from avlink_genvideo import finish

    wave = finish(frames, fps=16, prompt="footsteps on gravel", seed=1)   # frames as numpy, torch or PIL
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from avlink_genvideo.frames import as_frames
    from avlink_genvideo.library import Finisher, finish

__all__ = ["Finisher", "as_frames", "finish"]


def __getattr__(name: str) -> Any:
    # ComfyUI imports all nodes when it starts, so numpy and the engine are imported on first use.
    if name in {"Finisher", "finish"}:
        from avlink_genvideo import library

        return getattr(library, name)
    if name == "as_frames":
        from avlink_genvideo.frames import as_frames

        return as_frames
    raise AttributeError(f"module 'avlink_genvideo' has no attribute {name!r}")
