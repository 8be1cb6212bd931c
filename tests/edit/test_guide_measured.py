"""The guide on real clips with their own sound, as `avlink spot --guide production` marks them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from avlink.core.recipe import load_recipe
from avlink.edit.spot import spot
from avlink.edit.spot_input import SpotRequest
from avlink.hooks import make_registry
from avlink.metrics.sync import match_onsets
from avlink.session import open_session

REAL = Path(__file__).parents[2] / ".." / "shared" / "real"


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the folder shared/real is not beside the checkout")
def test_the_own_sound_of_real_clips_is_heard_to_50_ms(tmp_path: Path) -> None:
    """Mean F1 at 50 ms over the clips, drums, guitars, animals and talk among them, with all that leaves hits out."""
    from avlink_fusion import plugin as fusion

    truth = json.loads((REAL / "events.json").read_text())
    recipe = load_recipe("spot", "spot", ['spotter.name="motion-peaks"'])
    session = open_session(device="cpu", registry=make_registry(fusion), cache=tmp_path / "cache")
    scores = {}
    for name, true_s in truth.items():
        request = SpotRequest(
            input=REAL / name,
            recipe=recipe,
            output=tmp_path / f"{Path(name).stem}.otio",
            device="cpu",
            guide="production",
        )
        (item,) = spot(request, session).items
        assert all(hit.heard for hit in item.hits)
        scores[name] = match_onsets(true_s, [float(hit.time_s) for hit in item.hits], 0.05).f1
    worst = sorted(scores.items(), key=lambda one: one[1])[:8]
    print(f"{len(scores)} clips: F1 at 50 ms {np.mean(list(scores.values())):.3f}; lowest {worst}")
    assert np.mean(list(scores.values())) >= 0.9
