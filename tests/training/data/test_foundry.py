from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import RecipeError
from avlink.core.events import ignore
from avlink.core.recipe.data import FoundryData
from avlink.foundry import make_clips, make_stills
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.data.foundry import foundry_labels, prepare_foundry


def test_clip_k_comes_from_seed_plus_k_and_is_made_once(tmp_path: Path) -> None:
    data = FoundryData(clips=2, held_out=1, stills=3, seed=7)
    prepare_foundry(data, 16000, tmp_path, ignore)
    clips, batch = ClipStore(tmp_path / "train"), make_clips([7, 8], split="train")
    assert list(clips.labels) == [foundry_labels(info) for info in batch.clips]
    np.testing.assert_array_equal(clips.frames([0, 1]), batch.frames)
    np.testing.assert_allclose(clips.sound([1, 0]), batch.sound.clip(-1, 1)[[1, 0]], atol=1 / 32767)
    assert len(ClipStore(tmp_path / "held_out")) == 1
    # A picture in which nothing is struck gives no still.
    names = make_stills([7, 8, 9], split="train")[1]
    assert StillStore(tmp_path / "stills" / "train").names == list(names)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")}
    prepare_foundry(data, 16000, tmp_path, ignore)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.npy")} == before


def test_a_kind_that_the_foundry_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"there is no kind 'hamer'; the foundry has .*hammer"):
        prepare_foundry(FoundryData(clips=1, held_out=1, kinds=("hamer",)), 16000, tmp_path, ignore)
