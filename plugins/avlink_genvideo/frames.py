"""Frames as pipelines return them: arrays, tensors or images, as bytes or in [0, 1], in any unambiguous layout."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from avlink import MediaError, exact_rate

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Layout: TypeAlias = Literal["THWC", "TCHW", "CTHW"]
"""The order of time, height, width and colour channels."""

_CHANNELS = (1, 3, 4)
# Values that were computed in half precision lie a little outside of [0, 1].
_TOLERANCE = 0.02
_CHUNK = 16


def as_frames(frames: Any, fps: float | Fraction, *, layout: Layout | None = None) -> ArrayFrames:
    """Return one video's frames at `fps` per second as a `FrameSource`.

    `frames` are a numpy array or torch tensor of shape (T, H, W, 3) or (T, 3, H, W), uint8 or floating point in [0, 1],
    or a list of PIL images or of single such frames. A batch of one video, as diffusers returns
    it, is unpacked. Grey becomes RGB, transparency is ignored. `layout` resolves an ambiguous shape.

    Raises MediaError for anything else.
    """
    try:
        rate = exact_rate(fps)
    except (TypeError, ValueError) as error:
        raise MediaError(f"fps = {fps!r} is no frame rate: {error}") from None
    array = _to_array(frames)
    if array.ndim == 5:
        if len(array) != 1:
            raise MediaError(f"these are {len(array)} videos in one batch; give one at a time, such as frames[0]")
        array = array[0]
    if array.ndim != 4:
        raise MediaError(f"frames have the shape (T, H, W, 3) or (T, 3, H, W), not {tuple(array.shape)}")
    moved = _time_first(array, layout)
    _check_values(moved)
    return ArrayFrames(moved, rate)


class ArrayFrames:
    """A `FrameSource` over an array of shape (T, H, W, C), converted to bytes only where it is read."""

    def __init__(self, array: NDArray[Any], rate: Fraction) -> None:
        """`array` has passed the checks of `as_frames`."""
        self._array, self.rate = array, rate
        self.num_frames, self.height, self.width = (int(size) for size in array.shape[:3])

    def read(self, start: int, stop: int) -> NDArray[np.uint8]:
        """Return frames [start, stop) as RGB uint8 of shape (frames, height, width, 3)."""
        import numpy as np

        part = self._array[start:stop]
        if part.dtype != np.uint8:
            part = np.rint(np.clip(part.astype(np.float32), 0, 1) * 255).astype(np.uint8)
        part = np.repeat(part, 3, axis=3) if part.shape[3] == 1 else part[..., :3]
        return np.ascontiguousarray(part)


def _to_array(frames: Any) -> NDArray[Any]:
    """Return frames of any kind as one array, without a copy where that is possible."""
    import numpy as np

    if hasattr(frames, "detach"):
        tensor = frames.detach().cpu()
        # numpy has no bfloat16, in which pipelines often run.
        return np.asarray((tensor.float() if tensor.is_floating_point() else tensor).numpy())
    if isinstance(frames, np.ndarray):
        return frames
    if isinstance(frames, Sequence) and not isinstance(frames, str | bytes):
        if not frames:
            raise MediaError("there are no frames")
        first = frames[0]
        if isinstance(first, Sequence) and not isinstance(first, str | bytes):
            if len(frames) != 1:
                raise MediaError(f"these are {len(frames)} videos in one batch; give one at a time, such as frames[0]")
            return _to_array(first)
        parts = [_single_frame(frame) for frame in frames]
        if len({part.shape for part in parts}) != 1:
            raise MediaError("the frames are not all of one size; make them alike")
        return np.stack(parts)
    raise MediaError(f"frames are an array, a tensor or a list of images, not {type(frames).__name__}")


def _single_frame(frame: Any) -> NDArray[Any]:
    import numpy as np

    if hasattr(frame, "convert"):
        return np.asarray(frame.convert("RGB"))
    array = _to_array(frame)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]
    return array


def _time_first(array: NDArray[Any], layout: Layout | None) -> NDArray[Any]:
    """Return the array as (T, H, W, C). Raises MediaError if the layout is ambiguous."""
    import numpy as np

    if layout is None:
        last, second = array.shape[3] in _CHANNELS, array.shape[1] in _CHANNELS
        # A height or width of 1, 3 or 4 pixels looks like colours.
        if last == second:
            why = "both the second and the last axis could be colours" if last else "no axis has 3 colours"
            raise MediaError(
                f'the shape {tuple(array.shape)} does not tell its layout ({why}); say layout="THWC" or "TCHW"'
            )
        layout = "THWC" if last else "TCHW"
    axes = {"THWC": (0, 1, 2, 3), "TCHW": (0, 2, 3, 1), "CTHW": (1, 2, 3, 0)}
    if layout not in axes:
        raise MediaError(f"layout = {layout!r} is not known; it is one of {', '.join(axes)}")
    moved = np.transpose(array, axes[layout])
    if moved.shape[3] not in _CHANNELS:
        raise MediaError(f'the shape {tuple(array.shape)} has no 3 colours where layout="{layout}" has them')
    return moved


def _check_values(array: NDArray[Any]) -> None:
    import numpy as np

    if 0 in array.shape:
        raise MediaError(f"there are no frames: the shape is {tuple(array.shape)}")
    if array.dtype == np.uint8:
        return
    if not np.issubdtype(array.dtype, np.floating):
        raise MediaError(f"frames are uint8, or floating point from 0 to 1, not {array.dtype}")
    # In parts, so that no second array of the size of the video is made.
    parts = [array[at : at + _CHUNK] for at in range(0, len(array), _CHUNK)]
    lowest, highest = min(float(part.min()) for part in parts), max(float(part.max()) for part in parts)
    if lowest != lowest or highest != highest or not all(np.isfinite(part).all() for part in parts):
        raise MediaError("the frames hold values that are no numbers (NaN or infinite)")
    if lowest < -_TOLERANCE or highest > 1 + _TOLERANCE:
        # The usual mistakes: the output of a VAE without postprocessing, and bytes that became floats.
        hint = "give (frames + 1) / 2" if lowest >= -1 - _TOLERANCE and highest <= 1 + _TOLERANCE else "divide by 255"
        raise MediaError(f"floating point frames lie in [0, 1]; these go from {lowest:.3g} to {highest:.3g}: {hint}")
