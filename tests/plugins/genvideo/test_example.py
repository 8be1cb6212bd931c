"""The example runs as it is written, with the model that ships, and says that its pipeline is a stand-in."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from avlink import probe, read_audio, read_tags

EXAMPLE = Path(__file__).parents[3] / "examples" / "diffusers_video_with_sound.py"


def test_a_pipeline_s_frames_become_a_finished_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.mp4"
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE), str(out), "32"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    printed = capsys.readouterr().out
    assert "a stand-in with the same interface draws the frames" in printed
    assert printed.splitlines()[-1] == f"wrote {out}"
    info = probe(out)
    assert info.has_video and info.has_audio and abs(info.duration_s - 2) < 0.001
    assert '"prompt": "a wooden stick strikes the ground"' in read_tags(out)["avlink"]
    # The stick is down after 0.44 s of each second, and so is the sound.
    envelope = np.abs(read_audio(out, sample_rate=48000).samples[0, : 2 * 48000]).reshape(-1, 480).max(axis=1)
    loudest = [0.01 * (start + envelope[start : start + 90].argmax()) for start in (0, 100)]
    assert loudest == pytest.approx([0.44, 1.44], abs=0.12)
