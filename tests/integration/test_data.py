"""Clips for training as their users make them: from every layout, killed and resumed, and trained on."""

from __future__ import annotations

import csv
import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError
from avlink.core.events import Event, Message
from avlink.core.recipe import load_recipe
from avlink.core.values import PictureSpec
from avlink.media.audio import read_audio
from avlink.media.frames import open_frames
from avlink.metrics.onsets import detect_onsets
from avlink.training.data.check import check_prepared, check_sources
from avlink.training.data.clip_spec import clip_spec_of
from avlink.training.data.clips import ClipStore
from avlink.training.data.decode_pool import decode_shards
from avlink.training.data.prepare import clips_for, prepare
from avlink.training.data.prepared import Partition, ShardJob
from avlink.training.data.source_clips import SourceClip

sys.path.insert(0, str(Path(__file__).parent))
from clip_layouts import make_layouts
from tiny_recipe import MODEL, stages

SHARED_MEDIA = Path(__file__).resolve().parents[2] / ".." / "shared" / "media"
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


def avlink(folder: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "avlink", *words, "-s", "data.prepared=" + str(folder / "prepared")]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = avlink(folder, *words)
    return subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, object]]:
    """The layouts prepared together, the captions of their two good clips, and what the command said."""
    root = tmp_path_factory.mktemp("layouts")
    captions = make_layouts(root)
    done = run(root, "data", "prepare", "recipe.toml", "--processes", "1", "--json")
    assert done.returncode == 0, done.stderr
    return root, captions, json.loads(done.stdout)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_same_clip_is_the_same_in_every_layout(layouts: tuple[Path, list[str], dict[str, object]]) -> None:
    root, captions, said = layouts
    train, held_out = ClipStore(root / "prepared" / "train"), ClipStore(root / "prepared" / "held_out")
    assert said["clips"] == {"train": 9, "held_out": 1}
    assert (len(train), len(held_out)) == (9, 1)
    strong = ["Rain, Wood", "Rain, Wood"]
    # VGGSound's second clip is in its test part.
    assert [labels.caption for labels in train.labels] == [*captions * 3, captions[0], *strong]
    assert held_out.labels[0].caption == captions[1]
    spec, sound_s = PictureSpec(rate=Fraction(6), width=64, height=36), Fraction(train.sound([0]).shape[1], 16000)
    for number, indices in ((0, [0, 2, 4, 6, 7]), (1, [1, 3, 5, 8])):
        path = root / "plain" / f"{number}.mp4"
        seen = open_frames(path, start_s=Fraction(0), duration_s=Fraction(31, 6), spec=spec)
        heard = read_audio(path, sample_rate=16000, start_s=Fraction(0), duration_s=sound_s)
        onsets = detect_onsets(heard.samples[0], 16000).times_s
        for index in indices:
            np.testing.assert_array_equal(train.frames([index])[0].numpy(), seen.read(0, 31))
            np.testing.assert_allclose(train.sound([index])[0].numpy(), heard.samples[0].clip(-1, 1), atol=1e-4)
            events = train.labels[index].events
            if index < 7:
                np.testing.assert_allclose([time_s for time_s, _, _ in events], onsets, atol=1e-5)
            else:
                assert events == ((1.25 + number, "Wood", 1.0),)
    np.testing.assert_array_equal(held_out.frames([0]).numpy(), train.frames([1]).numpy())


def test_what_cannot_be_used_is_listed_with_its_reason(layouts: tuple[Path, list[str], dict[str, object]]) -> None:
    root, _, said = layouts
    bad, missing = _rows(root / "prepared" / "bad.csv"), _rows(root / "prepared" / "missing.csv")
    assert said["bad"] == len(bad) == 15 and said["missing"] == len(missing) == 4
    short = "the file has no picture up to 5.167 s: it ends at {} s"
    for words in ("the file has no sound", short.format("2.000"), short.format("0.250")):
        assert sum(row["reason"] == words for row in bad) == 5, words
    assert any(row["path"].endswith("000000.tar/sample-2.mp4") for row in bad)
    assert [row["clip"] for row in missing] == ["gone.mp4", "uncaptioned.mp4", "fffffffffff_000001", "fffffffffff_0"]


def test_a_check_says_what_there_is_without_making_any(layouts: tuple[Path, list[str], dict[str, object]]) -> None:
    root, _, _ = layouts
    recipe = load_recipe(root / "recipe.toml", "train")
    reports = check_sources(recipe)
    assert [report.clips["train"] for report in reports] == [5, 5, 5, 4, 5]
    assert [len(report.missing) for report in reports] == [1, 1, 0, 1, 1]
    assert {len(report.faults) for report in reports} == {3}
    assert reports[0].hours == pytest.approx((5.17 * 3 + 2) / 3600, rel=0.01)
    made = check_prepared(recipe, root / "prepared")
    assert made is not None and made.shards == 6 and made.missing_shards == 0
    assert check_prepared(recipe, root / "elsewhere") is None


def test_a_training_takes_prepared_clips_and_does_not_look_for_their_files(
    layouts: tuple[Path, list[str], dict[str, object]],
) -> None:
    root, _, _ = layouts
    hidden = root / "sidecar"
    hidden.rename(root / "gone")
    try:
        done = run(root, "train", "recipe.toml", "-o", "run")
        assert done.returncode == 0, done.stderr
        assert "9 to train on, 1 held out" in done.stderr
        assert (root / "run" / "bundle" / "bundle.toml").is_file() and not (root / "run" / "clips").exists()
        said = (root / "run" / "bundle" / "bundle.toml").read_text()
        assert str(root) not in said and "vggsound" in said
        settings = [f"data.prepared={root / 'prepared'}", "model.picture.width=32"]
        wide = load_recipe(root / "recipe.toml", "train", settings)
        told = "it holds 31 pictures of 64x36 at 6 a second, and the model wants 31 pictures of 32x36"
        with pytest.raises(InputError, match=told):
            clips_for(wide, root / "wide", lambda event: None)
    finally:
        (root / "gone").rename(hidden)


def _tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_preparation_that_is_killed_goes_on_in_parts_and_ends_with_the_same_files(
    layouts: tuple[Path, list[str], dict[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, _, _ = layouts
    out = root / "again"
    words = ("data", "prepare", "recipe.toml", "-o", str(out), "--processes", "1")
    process = subprocess.Popen(
        avlink(root, *words), cwd=root, env=ENVIRONMENT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    patience = time.monotonic() + 120
    # In the middle: some shards are whole, and others are not.
    while not list(out.glob("*/*/sound-*.json")) and time.monotonic() < patience:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    finished = {path: path.stat().st_mtime_ns for path in out.glob("*/*/*.json")}
    assert 0 < len(finished) < 12 and not (out / "train" / "index.json").exists()
    # The same command: paths are listed as they are named.
    monkeypatch.chdir(root)
    recipe = load_recipe("recipe.toml", "train")
    first = prepare(recipe, out, lambda event: None, part=Partition(number=1, count=2), processes=1)
    assert first.missing_shards == 2 and not (out / "train" / "index.json").exists()
    second = prepare(recipe, out, lambda event: None, part=Partition(number=2, count=2), processes=1)
    assert second.missing_shards == 0
    assert {path: path.stat().st_mtime_ns for path in finished} == finished
    for leftover in out.rglob(".avlink-tmp-*"):
        leftover.unlink()  # Of what was being written; later runs sweep it up.
    assert _tree(out) == _tree(root / "prepared")


def test_another_picture_size_makes_pictures_anew_and_no_sound(
    layouts: tuple[Path, list[str], dict[str, object]], tmp_path: Path
) -> None:
    root, captions, _ = layouts
    out = Path(shutil.copytree(root / "prepared", tmp_path / "prepared"))
    before = {path: path.stat().st_mtime_ns for path in out.glob("*/*/sound-*")}
    said: list[Event] = []
    settings = ["model.picture.width=32", "model.picture.height=18", "model.picture.patch=[1, 18, 16]"]
    prepare(load_recipe(root / "recipe.toml", "train", settings), out, said.append, processes=1)
    changes = "the pictures are made anew: 31 pictures of 32x18 at 6 a second instead of 31 pictures of 64x36"
    assert any(
        isinstance(event, Message) and changes in event.text and "the sound stays" in event.text for event in said
    )
    assert {path: path.stat().st_mtime_ns for path in out.glob("*/*/sound-*")} == before
    clips = ClipStore(out / "train")
    assert clips.frames([0]).shape == (1, 31, 18, 32, 3) and clips.labels[0].caption == captions[0]
    # The old ones are gone: they take as much room.
    assert len(list(out.glob("*/*/frames-*.npy"))) == len(list(out.glob("*/shard-*")))


def test_a_file_at_which_processes_die_is_set_aside_and_the_others_are_not(
    layouts: tuple[Path, list[str], dict[str, object]], tmp_path: Path
) -> None:
    # The second clip, and the second again in the process that comes after.
    why = "the process that decoded it died (SIGKILL), twice"
    _set_aside(layouts[0], tmp_path, {2: signal.SIGKILL, 4: signal.SIGKILL}, why, timeout_s=180)


@pytest.mark.slow
def test_a_file_that_is_never_decoded_is_set_aside_and_the_others_are_not(
    layouts: tuple[Path, list[str], dict[str, object]], tmp_path: Path
) -> None:
    _set_aside(layouts[0], tmp_path, {2: signal.SIGSTOP}, "decoding it had not ended after 15 s", timeout_s=15)


def _set_aside(root: Path, folder: Path, harm: dict[int, signal.Signals], why: str, timeout_s: float) -> None:
    """Decode three clips, and do `harm` when the clip of that number is begun: the second one is what is set aside."""
    paths = [root / "plain" / f"{number}.mp4" for number in (0, 1, 0)]
    clips = [SourceClip(path=path, label=path.stem, size=path.stat().st_size) for path in paths]
    spec = clip_spec_of(load_recipe(root / "recipe.toml", "train").model)
    job, begun = ShardJob(folder=folder, spec=spec, clips=clips, crashed={}), []

    def on_clip() -> None:
        begun.append(True)
        for child in multiprocessing.active_children() if len(begun) in harm else []:
            os.kill(child.pid or 0, harm[len(begun)])

    decode_shards([job], 1, on_clip, lambda shard: None, timeout_s=timeout_s)
    assert not multiprocessing.active_children()
    for kind in ("frames", "sound"):
        (notes,) = folder.glob(f"{kind}-*.json")
        assert json.loads(notes.read_text())["bad"] == {"1": why}
        (column,) = folder.glob(f"{kind}-*.npy")
        rows = np.load(column)
        assert rows[0].any() and not rows[1].any()
        np.testing.assert_array_equal(rows[0], rows[2])


def test_real_clips_named_as_vggsounds_are(tmp_path: Path) -> None:
    """Good ones with their hits, and every kind of broken one with its reason."""
    if not SHARED_MEDIA.is_dir():
        pytest.skip("there is no folder shared/media beside the checkout")
    names = {
        "derived__hevc10_hammer.mp4": None,
        "specvqgan__drum_video_02542.mp4": None,
        "derived__noaudio_dog.mp4": "has no sound",
        "derived__zero_bytes.mp4": "is empty",
        "derived__text_not_video.mp4": "is a text file",
        "derived__truncated_hammer.mp4": "is cut short",
        "foleycrafter__avsync_0.mp4": "no picture up to",
    }
    (tmp_path / "video").mkdir()
    table = ""
    for number, name in enumerate(names):
        youtube = f"id-{number:08d}"
        # The first may be the film by its name; it is too short to be one.
        stem = youtube if number == 0 else f"{youtube}_{20 + number:06d}"
        (tmp_path / "video" / f"{stem}.mp4").symlink_to(SHARED_MEDIA / name)
        table += f"{youtube},{20 + number},thing {number},train\n"
    (tmp_path / "vggsound.csv").write_text(table)
    data = f'source = "vggsound"\nfolder = "{tmp_path}"\nheld_out = 0\n'
    (tmp_path / "recipe.toml").write_text(f'format = 1\nkind = "train"\nname = "real"\n[data]\n{data}')
    recipe = load_recipe(tmp_path / "recipe.toml", "train")
    done = prepare(recipe, tmp_path / "out", lambda event: None, processes=1)
    assert done.clips == {"train": 2, "held_out": 0}
    bad = {Path(row["path"]).stem: row["reason"] for row in _rows(tmp_path / "out" / "bad.csv")}
    for number, words in enumerate(names.values()):
        if words is not None:
            assert words in bad[f"id-{number:08d}_{20 + number:06d}"]
    clips = ClipStore(tmp_path / "out" / "train")
    hits = [time_s for time_s, _, _ in clips.labels[0].events]
    for true_s in (0.68, 1.22, 1.74, 2.26, 2.78, 3.32, 3.85):
        assert min(abs(hit - true_s) for hit in hits) < 0.06
    assert clips.frames([0, 1]).float().std() > 20


def test_what_is_only_heard_is_learned_from_sound_alone(tmp_path: Path) -> None:
    import soundfile

    from avlink.core.errors import RecipeError
    from avlink.training.train import train

    rng = np.random.default_rng(0)
    for name in ("a", "b", "c"):
        soundfile.write(tmp_path / f"{name}.wav", rng.uniform(-0.1, 0.1, 100_000), 16000)
    (tmp_path / "manifest.csv").write_text("path,caption\na.wav,rain\nb.wav,wind\nc.wav,waves\n")
    recipe = tmp_path / "sound.toml"
    data = '[data]\nsource = "folder"\nfolder = "."\nheld_out = 1\nmedia = "sound"\n'
    head = 'format = 1\nkind = "train"\nname = "heard"\n'
    recipe.write_text(head + data + MODEL + stages("vae vocoder audio", 1))
    bundle = train(load_recipe(recipe, "train"), tmp_path / "out")
    assert (bundle / "bundle.toml").is_file()
    assert not list((tmp_path / "out").rglob("frames-*.npy"))
    assert (tmp_path / "out" / "samples" / "audio.png").is_file()
    # Prepared so, they are no clips for what looks at pictures.
    prepared = f"data.prepared={json.dumps(str(tmp_path / 'out' / 'clips'))}"
    both = load_recipe(recipe, "train", ['data.media="both"', prepared])
    with pytest.raises(InputError, match=r"it holds sound alone, and data\.media = 'both'"):
        clips_for(both, tmp_path / "other", lambda event: None)
    recipe.write_text(head + data + MODEL + stages("video", 1))
    with pytest.raises(RecipeError, match=r"stage 'video' cannot learn from data\.media = 'sound' alone"):
        load_recipe(recipe, "train")
