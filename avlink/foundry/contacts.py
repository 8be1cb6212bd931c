"""Contacts changed against the picture: some taken away, others added, blows made harder or softer.

A model that is to follow hits must see clips whose sound tells of other contacts than their pictures do: else the
picture alone is enough for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from avlink.foundry.materials import MATERIALS
from avlink.foundry.sampler import FIRST_S, LAST_S, MIN_GAP_S
from avlink.foundry.scene import Contact

_KEPT = 0.7
"""Probability that a contact stays."""
_ADDED = 1.5
"""Mean number of contacts that are added."""
_LOUDNESS_CHANGED = 0.5


def change_contacts(contacts: Sequence[Contact], rng: np.random.Generator) -> list[Contact]:
    """Return other contacts of the same bodies, ascending, at least 125 ms apart."""
    kept = [contact for contact in contacts if rng.random() < _KEPT]
    strengths = rng.uniform(0.1, 1.0, len(kept)) if rng.random() < _LOUDNESS_CHANGED else None
    if strengths is not None:
        kept = [replace(contact, strength=float(new)) for contact, new in zip(kept, strengths, strict=True)]
    for _ in range(int(rng.poisson(_ADDED))):
        time_s = float(rng.uniform(FIRST_S, LAST_S))
        if any(abs(time_s - other.time_s) < MIN_GAP_S for other in kept):
            continue
        like = contacts[int(rng.integers(len(contacts)))] if contacts else _any_contact(rng)
        kept.append(replace(like, time_s=time_s, strength=float(rng.uniform(0.1, 1.0))))
    return sorted(kept, key=lambda contact: contact.time_s)


def _any_contact(rng: np.random.Generator) -> Contact:
    materials = list(MATERIALS)
    return Contact(
        time_s=0.0,
        material=materials[int(rng.integers(len(materials)))],
        strength=1.0,
        size_px=float(rng.uniform(3, 9)),
        strike_point=float(rng.uniform(0.1, 0.5)),
    )
