"""Losses that stages share: spectra, and the onsets and classes of the motion stem."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from avlink.engine.nn.motion import ONSETS_PER_FRAME, Motion
from avlink.training.data.index import ClipLabels


def multi_resolution_stft_loss(
    generated: Float[Tensor, "batch samples"],
    true: Float[Tensor, "batch samples"],
    sizes: Sequence[int] = (256, 512, 1024),
) -> Float[Tensor, ""]:
    """Spectral convergence plus log-magnitude L1, averaged over STFT sizes (Yamamoto et al. 2020).

    Magnitudes below -88 dBFS in a window of 1024 count as silence.
    """
    return stft_distance(stft_magnitudes(generated, sizes), stft_magnitudes(true, sizes))


def stft_magnitudes(sound: Float[Tensor, "batch samples"], sizes: Sequence[int]) -> list[Tensor]:
    """Return the magnitudes of a sound for each STFT size, at least the floor of `multi_resolution_stft_loss`."""
    return [
        torch.stft(
            sound.float(),
            n_fft,
            n_fft // 4,
            window=torch.hann_window(n_fft, device=sound.device),
            return_complex=True,
        )
        .abs()
        .clamp(min=1e-2)
        for n_fft in sizes
    ]


def stft_distance(generated: Sequence[Tensor], true: Sequence[Tensor]) -> Float[Tensor, ""]:
    """Return `multi_resolution_stft_loss` of the `stft_magnitudes` of two sounds."""
    total = generated[0].new_zeros(())
    for a, b in zip(generated, true, strict=True):
        # The floor of the norm keeps silent crops from dividing by nothing. It is a constant where `true` is a sound
        # that learns as well: a louder one is no nearer.
        total = total + (b - a).norm() / b.norm().detach().clamp(min=1e-3) + (a.log() - b.log()).abs().mean()
    return total / len(generated)


_BUZZ_HZ = (3000, 18000)
_BUZZ_WINDOW = 4096


def periodicity(sound: Float[Tensor, "batch samples"], sample_rate: int, lag: int) -> Float[Tensor, "batch frames"]:
    """Return the autocorrelation at `lag` samples of the part of a sound from 3 to 18 kHz, -1 to 1, by frames.

    It is taken from the power spectrum (Wiener-Khinchin), so that it has a gradient and costs one STFT.
    """
    window = torch.hann_window(_BUZZ_WINDOW, device=sound.device)
    # Zeros around it: a sound may be shorter than what a reflection takes.
    spectrum = torch.stft(
        sound.float(), _BUZZ_WINDOW, _BUZZ_WINDOW // 4, window=window, return_complex=True, pad_mode="constant"
    )
    power = torch.view_as_real(spectrum).square().sum(-1)
    bins = torch.arange(power.shape[1], device=sound.device)
    hz = bins * (sample_rate / _BUZZ_WINDOW)
    heard = (hz >= _BUZZ_HZ[0]) & (hz <= _BUZZ_HZ[1])
    turns = torch.cos(2 * math.pi * bins * lag / _BUZZ_WINDOW)
    # The floor: silence repeats itself, and should not count.
    return (power * (turns * heard)[:, None]).sum(1) / ((power * heard[:, None]).sum(1) + 1e-2)


def onset_targets(
    labels: Sequence[ClipLabels], bins: int, bins_per_second: float, width_s: float = 0.02
) -> Float[Tensor, "batch bins"]:
    """Return Gaussian bumps of height 1 around every event: exp(-d² / (2 width²)) at bin centres."""
    # width_s is about one bin of 1/48 s: a bump covers three bins, so that a guess one bin aside is nearly right.
    centres = (torch.arange(bins) + 0.5) / bins_per_second
    rows = []
    for label in labels:
        # A clip without events has one far away, and so targets of 0.
        times = torch.tensor([t for t, _, _ in label.events] or [-10.0])
        # To the nearest event: bumps of near events do not add up beyond 1.
        distance = (centres[:, None] - times[None]).abs().amin(dim=1)
        rows.append(torch.exp(-0.5 * (distance / width_s).square()))
    return torch.stack(rows)


def onset_loss(
    logits: Float[Tensor, "batch bins"], labels: Sequence[ClipLabels], bins_per_second: float, shift_s: float = 0.0
) -> Float[Tensor, ""]:
    """Weighted cross-entropy of onset logits on bumps around the events, which lie `shift_s` earlier than labelled."""
    targets = onset_targets(_shifted(labels, shift_s), logits.shape[1], bins_per_second).to(logits.device)
    # Few bins hold an onset: without a weight, predicting none is nearly right.
    weight = torch.tensor(6.0, device=targets.device)
    return binary_cross_entropy_with_logits(logits.float(), targets, pos_weight=weight)


def _shifted(labels: Sequence[ClipLabels], shift_s: float) -> Sequence[ClipLabels]:
    if not shift_s:
        return labels
    return [
        ClipLabels(caption=label.caption, events=tuple((t - shift_s, c, s) for t, c, s in label.events))
        for label in labels
    ]


def motion_losses(
    motion: Motion, labels: Sequence[ClipLabels], fps: int, classes: Sequence[str], shift_s: float = 0.0
) -> dict[str, Float[Tensor, ""]]:
    """Weighted cross-entropy of onsets on bumps, and cross-entropy of the class at each event's frame."""
    labels = _shifted(labels, shift_s)
    onset = onset_loss(motion.onset_logits, labels, ONSETS_PER_FRAME * fps)
    rows, frames, names = [], [], []
    for row, label in enumerate(labels):
        for time_s, name, _ in label.events:
            # The frame that is shown at the event.
            frame = int(time_s * fps)
            if name in classes and 0 <= frame < motion.class_logits.shape[1]:
                rows.append(row)
                frames.append(frame)
                names.append(classes.index(name))
    # A batch without events still has this loss, so that all ranks report the same names.
    material = onset.new_zeros(())
    if rows:
        material = cross_entropy(motion.class_logits.float()[rows, frames], torch.tensor(names, device=onset.device))
    return {"onset": onset, "class": material}


def onset_peaks(probabilities: Float[Tensor, " bins"], bins_per_second: float, threshold: float = 0.4) -> list[float]:
    """Return the times of local maxima above `threshold`, in seconds, at least 80 ms apart.

    Each is refined by a parabola through the maximum and its neighbours.
    """
    p = probabilities.tolist()
    # The detector for sounds has the same gap.
    gap = max(1, int(0.08 * bins_per_second))
    peaks: list[int] = []
    for i in range(1, len(p) - 1):
        if p[i] >= threshold and p[i] >= p[i - 1] and p[i] > p[i + 1]:
            if peaks and i - peaks[-1] < gap:
                if p[i] > p[peaks[-1]]:
                    peaks[-1] = i
            else:
                peaks.append(i)
    times = []
    for i in peaks:
        # The vertex of the parabola through three bins; a flat top has none.
        bend = p[i - 1] - 2 * p[i] + p[i + 1]
        shift = 0.5 * (p[i - 1] - p[i + 1]) / bend if bend else 0.0
        times.append((i + 0.5 + shift) / bins_per_second)
    return times
