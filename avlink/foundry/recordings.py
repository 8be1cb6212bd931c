"""Recorded hits in the sound of clips: a contact sounds as a recording of its material, with modal synthesis below it.

A clip takes all hits of a material from one family, recordings of one object, so that its blows differ as those of one
object do. Soft blows are duller, large bodies lower. In some clips every contact sounds as an object that the picture
does not show, a dog or a door, and the caption names it: moments come from the picture, and what sounds from words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from avlink.foundry.clip import clip_samples
from avlink.foundry.scene import Contact
from avlink.foundry.sound import contact_amplitude

_PLAIN, _PURE = 0.15, 0.3
"""Shares of the clips whose contacts are modal synthesis alone, and recordings alone; the others have both."""
_BELOW_DB = (-20.0, -8.0)
"""Level of the modal synthesis under a recording, relative to it."""
_DULLEST_HZ, _BRIGHTEST_HZ = 2500.0, 20000.0
_SEMITONES = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHit:
    """One recorded hit: mono samples with a peak of 1, and the sample of its attack."""

    samples: Float[np.ndarray, " samples"]
    attack: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedObject:
    """The hits of one object, of whatever kind, and captions that name it."""

    captions: Sequence[str]
    hits: Sequence[RecordedHit]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedHits:
    """Recorded hits by material and family, at `rate` samples a second, and objects by group."""

    rate: int
    families: Mapping[str, Sequence[Sequence[RecordedHit]]]
    objects: Sequence[Sequence[RecordedObject]] = ()

    def choose(self, rng: np.random.Generator, *, named: float = 0.0) -> SceneHits:
        """Return the recordings of one clip; with probability `named` those of an object that its caption names."""
        if self.objects and rng.random() < named:
            group = self.objects[draw_group(rng, self.objects)]
            chosen_object = group[int(rng.integers(len(group)))]
            captions = chosen_object.captions or ("",)
            return SceneHits(
                rate=self.rate,
                hits=dict.fromkeys((*self.families, "air"), chosen_object.hits),
                modal_gain=0.0,
                caption=captions[int(rng.integers(len(captions)))],
            )
        share = rng.random()
        chosen = {
            # Drawn for every material in the same order, whether the clip needs it or not.
            material: families[int(rng.integers(len(families)))]
            for material, families in sorted(self.families.items())
            if families
        }
        below_db = float(rng.uniform(*_BELOW_DB))
        return SceneHits(
            rate=self.rate,
            hits={} if share < _PLAIN else chosen,
            modal_gain=0.0 if share < _PLAIN + _PURE else 10 ** (below_db / 20),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SceneHits:
    """The recordings of one clip by material, and the amplitude of modal synthesis under them.

    `caption` names what sounds where the picture does not show it.
    """

    rate: int
    hits: Mapping[str, Sequence[RecordedHit]]
    modal_gain: float
    caption: str = ""

    def add(
        self, contact: Contact, first: int, modal: torch.Tensor, rng: np.random.Generator
    ) -> tuple[int, torch.Tensor]:
        """Return the first sample of a contact's sound and its samples, given those of its modal synthesis.

        Where no recording of its material was chosen, that is the modal synthesis.
        """
        family = self.hits.get(contact.material)
        if not family:
            return first, modal
        hit = family[int(rng.integers(len(family)))]
        # A body of 6 pixels sounds as it was recorded; larger ones are lower.
        semitones = (6.0 - contact.size_px) / 3.0 * _SEMITONES + float(rng.normal(0, 0.3))
        samples, attack = _repitched(hit, 2 ** (float(np.clip(semitones, -4, 4)) / 12))
        samples = _dulled(samples, contact.strength, self.rate)
        samples = samples * (contact_amplitude(contact.strength) / max(1e-6, float(np.abs(samples).max())))
        # The attack, not the first sample, lies at the contact; what is before the clip is cut off.
        begin = first - attack
        samples = samples[max(0, -begin) : max(0, clip_samples(self.rate) - begin)]
        begin = max(0, begin)
        # Both begin at `begin` or later, and end within the clip.
        end = max(begin + len(samples), first + len(modal))
        sound = torch.zeros(end - begin, dtype=modal.dtype, device=modal.device)
        sound[: len(samples)] += torch.from_numpy(np.ascontiguousarray(samples, np.float32)).to(modal.device)
        sound[first - begin : first - begin + len(modal)] += self.modal_gain * modal
        return begin, sound


def draw_group(rng: np.random.Generator, groups: Sequence[Sequence[object]]) -> int:
    """Draw the index of a group, by the square root of its size."""
    weights = np.sqrt([len(group) for group in groups])
    return int(rng.choice(len(groups), p=weights / weights.sum()))


def _repitched(hit: RecordedHit, factor: float) -> tuple[Float[np.ndarray, " samples2"], int]:
    """Return the samples played `factor` times as fast, by linear interpolation, and the sample of the attack."""
    count = max(1, math.floor(len(hit.samples) / factor))
    samples = np.interp(np.arange(count) * factor, np.arange(len(hit.samples)), hit.samples)
    return samples, round(hit.attack / factor)


def _dulled(samples: Float[np.ndarray, " samples"], strength: float, rate: int) -> Float[np.ndarray, " samples"]:
    """Return the sound of a blow of a strength, by a low-pass filter of first order in power."""
    cutoff_hz = _DULLEST_HZ * (_BRIGHTEST_HZ / _DULLEST_HZ) ** strength
    hz = np.fft.rfftfreq(len(samples), 1 / rate)
    filtered = np.fft.irfft(np.fft.rfft(samples) / np.sqrt(1 + (hz / cutoff_hz) ** 2), len(samples))
    return np.asarray(filtered)
