"""`avlink generate`: sound, pictures, or both from words, and all that can be wrong with a request."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import soundfile

from avlink.core.values import PictureSpec
from avlink.media.bwf import read_bwf_info
from avlink.media.frames import open_frames
from avlink.media.probe import probe

QUICK = ("-s", "steps=2", "--device", "cpu")


def test_each_prompt_and_take_is_a_file_of_the_length_that_was_asked_for(avlink, tmp_path: Path) -> None:
    words = ("--prompt", "glass breaking", "--prompt", "Glass, breaking!")
    done = avlink("generate", *words, "--takes", "2", "--seconds", "1.3", "-o", tmp_path / "new", *QUICK, "--json")
    assert done.code == 0 and done.json["makes"] == "audio"
    paths = [Path(file["file"]) for file in done.json["files"]]
    assert [path.name for path in paths] == [
        "glass-breaking_take1.wav",
        "glass-breaking_take2.wav",
        "Glass-breaking_take1_2.wav",
        "Glass-breaking_take2_2.wav",
    ]
    assert [file["seed"] for file in done.json["files"]] == [0, 1, 0, 1]
    sounds = []
    for path, prompt in zip(paths, ("glass breaking",) * 2 + ("Glass, breaking!",) * 2, strict=True):
        info = read_bwf_info(path)
        assert (info.channels, info.sample_rate, info.num_samples) == (1, 48000, round(1.3 * 48000))
        assert info.info.description == prompt
        sounds.append(soundfile.read(path)[0])
    assert all(np.abs(sound).max() > 0 for sound in sounds) and not np.array_equal(sounds[0], sounds[1])
    # A seed gives one sound, alone or after others, and files that are the same stay as they are.
    again = avlink("generate", "--prompt", "glass breaking", "--seed", "1", "--seconds", "1.3", "-o", paths[1], *QUICK)
    assert again.code == 0 and np.array_equal(soundfile.read(paths[1])[0], sounds[1])


def test_words_decide_what_is_heard(avlink, tmp_path: Path) -> None:
    made = {}
    for name, options in {
        "plain": ("--prompt", "snare drum"),
        "other": ("--prompt", "water splash"),
        "negative": ("--prompt", "snare drum", "--negative", "water splash"),
    }.items():
        assert avlink("generate", *options, "--seconds", "1", "-o", tmp_path / f"{name}.wav", *QUICK).code == 0
        made[name] = soundfile.read(tmp_path / f"{name}.wav")[0]
    assert not np.array_equal(made["plain"], made["other"]) and not np.array_equal(made["plain"], made["negative"])


@pytest.mark.parametrize("option", ["--video", "--both"])
def test_pictures_come_alone_or_with_their_sound(option: str, avlink, tmp_path: Path) -> None:
    out = tmp_path / "ball.mp4"
    done = avlink("generate", option, "--prompt", "wood", "--seconds", "2", "-o", out, *QUICK, "--json")
    assert done.code == 0 and done.json["makes"] == option[2:]
    found = probe(out)
    assert found.video is not None and found.video.rate == 12
    assert (found.video.width, found.video.height) == (512, 288)
    spec = PictureSpec(rate=Fraction(12), width=64, height=36)
    frames = open_frames(out, start_s=Fraction(0), duration_s=Fraction(2), spec=spec)
    assert frames.num_frames == 24
    shown = frames.read(0, 24).astype(int)
    assert np.abs(np.diff(shown, axis=0)).max() > 0
    assert (found.audio is not None) == (option == "--both")
    assert (done.json["files"][0]["lufs"] is not None) == (option == "--both")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--audio", "--video"), "--audio and --video exclude each other"),
        (("-o", "x.mp3"), "name a file that ends with .wav"),
        (("--video", "-o", "x.wav"), "name a file that ends with .mp4 or .mov or .mkv"),
        (("--takes", "2", "-o", "x.wav"), "name a folder"),
        (("--seconds", "0"), "seconds"),
        (("-s", "bundle=nothing/there"), "nothing/there"),
        (("-s", "solver=best"), "solver"),
        (("-r", "foley"), "sonify"),
    ],
)
def test_mistakes_are_told_in_a_sentence(arguments: tuple[str, ...], said: str, avlink, tmp_path: Path) -> None:
    done = avlink("generate", "--prompt", "wood", *arguments, *QUICK)
    assert done.code == 2 and said in done.err and "Traceback" not in done.err
    assert not list(tmp_path.iterdir())


def test_a_file_of_somebody_else_is_kept(avlink, tmp_path: Path) -> None:
    out = tmp_path / "mine.wav"
    out.write_bytes(b"mine")
    done = avlink("generate", "--prompt", "wood", "--seconds", "1", "-o", out, *QUICK)
    assert done.code == 2 and "--overwrite" in done.err and out.read_bytes() == b"mine"
    assert avlink("generate", "--prompt", "wood", "--seconds", "1", "-o", out, *QUICK, "--overwrite").code == 0
    assert (tmp_path / "mine.wav.bak").read_bytes() == b"mine" and read_bwf_info(out).num_samples == 48000
