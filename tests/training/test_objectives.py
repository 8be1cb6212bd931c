from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from avlink.training.data.index import ClipLabels
from avlink.training.objectives import multi_resolution_stft_loss, onset_peaks, onset_targets, periodicity

RATE = 48.0


@given(
    st.lists(st.integers(2, 40), max_size=5).map(lambda steps: [0.1 * sum(steps[: i + 1]) for i in range(len(steps))])
)
def test_peaks_of_the_targets_are_the_events(times_s: list[float]) -> None:
    labels = ClipLabels(caption="", events=tuple((time_s, "wood", 1.0) for time_s in times_s))
    bins = int((max(times_s, default=0) + 1) * RATE)
    targets = onset_targets([labels], bins, RATE)
    assert targets.shape == (1, bins) and float(targets.max()) <= 1
    assert onset_peaks(targets[0], RATE) == pytest.approx(times_s, abs=0.6 / RATE)


def test_the_loss_of_spectra_is_zero_for_equal_sounds_alone() -> None:
    torch.manual_seed(0)
    sound = torch.randn(2, 4000) * 0.1
    assert float(multi_resolution_stft_loss(sound, sound)) == 0
    near, far = (float(multi_resolution_stft_loss(sound + torch.randn_like(sound) * s, sound)) for s in (0.01, 0.1))
    assert 0 < near < far


def test_periodicity_is_one_for_what_repeats_itself_and_zero_for_noise() -> None:
    torch.manual_seed(0)
    noise = torch.randn(4, 48000)
    buzz = noise[:, :480].repeat(1, 100)
    # The window falls off over the lag, which costs a tenth.
    assert periodicity(buzz, 48000, 480).mean() > 0.85
    assert periodicity(noise, 48000, 480).mean().abs() < 0.03
    # Another lag does not see it, and silence counts as no repetition.
    assert periodicity(buzz, 48000, 347).mean().abs() < 0.1
    assert periodicity(torch.zeros(1, 48000), 48000, 480).abs().max() == 0
    # A gradient step makes a buzz less of one.
    learned = buzz.clone().requires_grad_(True)
    periodicity(learned, 48000, 480).square().mean().backward()
    assert learned.grad is not None and torch.isfinite(learned.grad).all()
    better = (learned - 0.3 * learned.grad / learned.grad.std()).detach()
    assert periodicity(better, 48000, 480).mean() < periodicity(buzz, 48000, 480).mean() - 0.02
