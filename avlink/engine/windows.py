"""Long clips as overlapping windows of the length that a model was trained on, blended where they overlap.

Windows start at whole seconds, where audio tokens, video frames and motion frames all have a boundary.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A part of a clip: `start_s` whole seconds in, `duration_s` long."""

    start_s: int
    duration_s: float


def plan_windows(duration_s: float, window_s: float, overlap_s: float = 1.0) -> tuple[Window, ...]:
    """Return windows of at most `window_s` that cover `duration_s`, each overlapping the next by `overlap_s` or more.

    A clip that fits into one window is one window of its own length.
    """
    if duration_s <= window_s:
        return (Window(start_s=0, duration_s=duration_s),)
    # Whole seconds. At 5.16 s, windows start every 4 s and overlap by 1.16 s.
    hop = max(1, int(window_s - overlap_s))
    starts = [0]
    # Durations are quotients of token counts: rounding must not give a further window of nothing.
    while starts[-1] + window_s < duration_s - 1e-9:
        starts.append(starts[-1] + hop)
    return tuple(Window(start_s=s, duration_s=min(window_s, duration_s - s)) for s in starts)


def blend(pieces: list[Float[Tensor, _ * rest]], starts: list[int], total: int) -> Float[Tensor, _ * rest]:
    """Lay pieces at `starts` into `total` rows, with linear cross-fades where neighbours overlap.

    Equal pieces blend into themselves, wherever the windows lie.
    """
    out = torch.zeros((total, *pieces[0].shape[1:]), dtype=pieces[0].dtype, device=pieces[0].device)
    # In fp32 also for pieces in half precision, whose weights would not add up to 1.
    weight = torch.zeros(total, dtype=torch.float32, device=out.device)
    spans = [(start, min(start + piece.shape[0], total)) for piece, start in zip(pieces, starts, strict=True)]
    for index, (piece, (start, stop)) in enumerate(zip(pieces, spans, strict=True)):
        share = ramp(spans, index).to(out.device)
        shaped = share.reshape(-1, *[1] * (piece.ndim - 1))
        out[start:stop] += (piece[: stop - start] * shaped).to(out.dtype)
        weight[start:stop] += share
    # Divided by the sum of weights: three windows can overlap, and then their ramps do not add up to 1.
    return out / weight.clamp(min=1e-6).reshape(-1, *[1] * (out.ndim - 1))


def ramp(spans: Sequence[tuple[int, int]], index: int) -> Float[Tensor, " length"]:
    """Return the weights, 0 to 1, of the rows in one of the (start, stop) `spans`, given its neighbours."""
    start, stop = spans[index]
    share = torch.ones(stop - start)
    # Sampled at the rows' centres: rising and falling ramps of one overlap add up to 1, and no weight is 0.
    into = min(spans[index - 1][1], stop) - start if index > 0 else 0
    if into > 0:
        # minimum: where a window is all overlap, its two ramps meet.
        share[:into] = torch.minimum(share[:into], (torch.arange(into) + 0.5) / into)
    gone = stop - spans[index + 1][0] if index + 1 < len(spans) else 0
    if gone > 0:
        share[-gone:] = torch.minimum(share[-gone:], (torch.arange(gone, 0, -1) - 0.5) / gone)
    return share
