"""Windows: they cover a clip, and blending leaves no seam."""

from __future__ import annotations

import itertools

import pytest
import torch

from avlink.engine.windows import blend, plan_windows


@pytest.mark.parametrize("duration", [0.5, 5.16, 5.2, 9.0, 9.16, 9.17, 61.3, 600.0])
def test_windows_cover_the_clip_and_overlap(duration: float) -> None:
    windows = plan_windows(duration, 5.16)
    assert windows[0].start_s == 0
    assert windows[-1].start_s + windows[-1].duration_s == pytest.approx(duration)
    for before, after in itertools.pairwise(windows):
        assert before.start_s + before.duration_s - after.start_s >= 1.0
    assert all(0 < w.duration_s <= 5.16 for w in windows)


@pytest.mark.parametrize("duration", [0.7, 5.16, 13.0, 33.4])
def test_equal_pieces_blend_into_themselves(duration: float) -> None:
    whole = torch.randn(round(duration * 25), 3)
    windows = plan_windows(duration, 5.16)
    starts = [w.start_s * 25 for w in windows]
    pieces = [whole[s : s + round(w.duration_s * 25)] for s, w in zip(starts, windows, strict=True)]
    torch.testing.assert_close(blend(pieces, starts, whole.shape[0]), whole)


def test_a_blend_fades_from_one_piece_to_the_next() -> None:
    mixed = blend([torch.zeros(100, 1), torch.ones(100, 1)], [0, 60], 160)[:, 0]
    assert torch.equal(mixed[:60], torch.zeros(60)) and torch.equal(mixed[100:], torch.ones(60))
    assert (mixed[60:100].diff() > 0).all()
