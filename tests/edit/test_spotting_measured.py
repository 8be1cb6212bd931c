"""The precision of spotting marks: stems of the built-in model for held-out clips, finished by default."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from avlink.core.recipe import load_recipe
from avlink.core.sound import FittedSound
from avlink.core.values import Waveform
from avlink.evaluation.model import BundleModel
from avlink.foundry import FRAME_RATE, make_clips
from avlink.hooks import apply_chain, make_registry, resolve_chain
from avlink.media.resample import resample_spooled
from avlink.metrics.stem_hits import spot_hits
from avlink.metrics.sync import match_onsets

CLIPS = 48
FIRST_SEED = 1_000_000


@pytest.mark.slow
def test_marks_of_generated_stems_lie_where_things_strike() -> None:
    from avlink_fusion import plugin as fusion
    from avlink_post import plugin as post

    seeds = range(FIRST_SEED, FIRST_SEED + CLIPS)
    batch = make_clips(seeds, split="held_out")
    system = BundleModel("builtin", device="cpu", sound=SampleConfig(steps=8))
    assert system.picture.rate == FRAME_RATE
    length_s = Fraction(batch.sound.shape[1], system.sample_rate)
    made = system.generate(batch.frames.numpy(), None, list(seeds), duration_s=length_s)
    recipe = load_recipe("foley", "sonify")
    chain = resolve_chain(recipe, make_registry(fusion, post))
    true = marked = right = 0
    for clip, sound in zip(batch.clips, made, strict=True):
        stem = resample_spooled(Waveform(samples=sound[None], sample_rate=system.sample_rate), 48000)
        hits = spot_hits(apply_chain(FittedSound(stem, round(length_s * 48000)), chain)).hits
        events_s = [event.time_s for event in clip.events]
        true += len(events_s)
        marked += len(hits)
        if events_s:
            right += round(
                match_onsets(events_s, np.array([hit.sample / 48000 for hit in hits]), 0.1).recall * len(events_s)
            )
    print(f"{CLIPS} clips, {true} true hits, {marked} marks: precision {right / marked:.3f}, recall {right / true:.3f}")
    # What is wrong with the marks is mostly what is wrong with the sound.
    assert right / marked > 0.85
    assert right / true > 0.85
