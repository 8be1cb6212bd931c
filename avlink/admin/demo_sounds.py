"""A small library for the demo: sounds of the foundry's materials, as if they had been recorded, and their licence."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from avlink.core.events import Listener
from avlink.core.outputs import Outputs
from avlink.core.paths import make_folder
from avlink.core.values import Waveform
from avlink.foundry.clip import SAMPLE_RATE
from avlink.foundry.materials import MATERIALS
from avlink.foundry.scene import Contact
from avlink.foundry.sound import contact_sound
from avlink.library.libraries import add_library, list_libraries, remove_library
from avlink.media.wave import write_float_wave

LIBRARY = "avlink-demo"
"""Name of the library in the index. It is replaced by every demo."""

_NAMES = {
    "wood": ("WOODImpt", "Wood Hit"),
    "metal": ("METLImpt", "Metal Hit"),
    "glass": ("GLASImpt", "Glass Hit"),
    "stone": ("ROCKImpt", "Stone Hit"),
    "rubber": ("RUBRImpt", "Rubber Hit"),
    "water": ("WATRSplsh", "Water Splash"),
    "cloth": ("CLOTHImpt", "Cloth Thud"),
    "air": ("EXPLMisc", "Explosion"),
}
"""UCS CatID and name of the sounds of each material."""
_STRENGTHS = (0.35, 0.6, 0.85)
_SIZES = {"Small": 4.0, "Large": 8.0}
# As an engineer leaves it before a transient.
_PRE_ROLL_S = 0.02


def make_demo_library(folder: Path, outputs: Outputs, listener: Listener) -> str:
    """Write the sounds into `folder`, add them to the index, and return the name of the library.

    Raises OutputError if the folder cannot be written.
    """
    make_folder(folder)
    rows = []
    for name, sound in _sounds():
        with outputs.write(folder / name) as temporary:
            write_float_wave(temporary, sound)
        rows.append({"filename": name, "author": "The AVLink authors", "licence": "Apache-2.0"})
    with (
        outputs.write(folder / "sounds.csv") as temporary,
        temporary.open("w", encoding="utf-8", newline="") as file,
    ):
        table = csv.DictWriter(file, fieldnames=list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    _forget()
    add_library(folder, LIBRARY, listener)
    return LIBRARY


def _sounds() -> Iterator[tuple[str, Waveform]]:
    """Yield file names and sounds: two sizes of each material, struck softly to hard."""
    rng = np.random.default_rng(0)
    for material in (*MATERIALS, "air"):
        catid, name = _NAMES[material]
        for size, size_px in _SIZES.items():
            for number, strength in enumerate(_STRENGTHS, start=1):
                contact = Contact(time_s=_PRE_ROLL_S, material=material, strength=strength, size_px=size_px)
                first, samples = contact_sound(contact, rng, 1.0, torch.device("cpu"))
                sound = np.pad(samples.numpy(), (first, 0))[None].astype(np.float32)
                yield (
                    f"{catid}_{name} {size} {number}_AVLINK_FOUNDRY.wav",
                    Waveform(samples=sound, sample_rate=SAMPLE_RATE),
                )


def _forget() -> None:
    """Take the library of an earlier demo out of the index; its sounds stay."""
    if any(one.name == LIBRARY for one in list_libraries()):
        remove_library(LIBRARY)
