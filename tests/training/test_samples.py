from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from avlink.engine.system import System
from avlink.training.samples import NUM_SAMPLES, save_contact_sheet, save_sounds

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from tiny import TINY


def test_a_contact_sheet_holds_every_frame_in_order(tmp_path: Path) -> None:
    frames = np.stack([np.full((4, 6, 3), 10 * number, np.uint8) for number in range(11)])
    save_contact_sheet(frames, tmp_path / "a" / "sheet.png")
    with Image.open(tmp_path / "a" / "sheet.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 4, 8 * 6, 3)
    tiles = [sheet[4 * (n // 8), 6 * (n % 8), 0] for n in range(16)]
    assert tiles == [10 * n for n in range(11)] + [0] * 5


def test_a_few_sounds_are_written_with_one_picture_of_their_spectrograms(tmp_path: Path) -> None:
    system = System(TINY)
    sounds = [np.full(8000, 0.1 * number, np.float32) for number in range(NUM_SAMPLES + 2)]
    save_sounds(system, sounds, [[0.1]] * len(sounds), None, "x")
    save_sounds(system, sounds, [[0.1]] * len(sounds), tmp_path, "x")
    assert sorted(path.name for path in (tmp_path / "samples").iterdir()) == [
        *(f"x-{number}.wav" for number in range(NUM_SAMPLES)),
        "x.png",
    ]
    samples, rate = soundfile.read(tmp_path / "samples" / "x-1.wav")
    assert rate == TINY.mel.sample_rate and abs(samples - 0.1).max() < 1e-3
