"""Finishing real files: the picture stays bit for bit, the sound is as loud and as long as it shall be, notes stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from avlink_genvideo.provenance import read_provenance
from avlink_genvideo.report import FinishReport
from avlink_genvideo.request import FinishRequest, output_paths
from avlink_genvideo.run import finish_videos

from avlink import Event, Session, StepDone, measure_loudness, probe, read_audio, read_tags
from avlink.core.errors import InputError, MediaError, OutputError
from avlink.core.recipe import SonifyRecipe
from avlink.testing import make_movie

RATE = 48000


def packet_hashes(path: Path) -> list[tuple[Fraction, str]]:
    """Time and content of each coded picture."""
    with av.open(str(path)) as container:
        return [
            (packet.pts * packet.time_base, hashlib.sha256(bytes(packet)).hexdigest())
            for packet in container.demux(video=0)
            if packet.size
        ]


@pytest.fixture
def finish(session: Session, recipe: SonifyRecipe) -> Callable[..., FinishReport]:
    def run(*paths: Path, **asked: Any) -> FinishReport:
        return finish_videos(FinishRequest(inputs=paths, recipe=asked.pop("recipe", recipe), **asked), session)

    return run


def heard(path: Path) -> np.ndarray:
    return read_audio(path, sample_rate=RATE, mono=False, duration_s=probe(path).duration_s).samples


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_the_picture_is_copied_and_the_sound_fits(kit: Any, tmp_path: Path, finish: Any, suffix: str) -> None:
    graph, workflow = json.dumps(kit.simple_graph()), json.dumps({"nodes": [], "links": []})
    source = kit.write(tmp_path / f"clip{suffix}", kit.strokes(10), tags={"prompt": graph, "workflow": workflow})
    before = source.read_bytes()
    (item,) = finish(source).items
    out = tmp_path / f"clip.finished{suffix}"
    assert (item.status, item.output) == ("generated", out)
    assert source.read_bytes() == before
    assert packet_hashes(out) == packet_hashes(source)

    # As long as the picture, which no frame is added to; as loud as asked, measured in the file.
    info = probe(out)
    assert info.duration_s == probe(source).duration_s
    assert info.audio is not None and info.audio.start_s == info.video.start_s == 0
    level = measure_loudness(read_audio(out, sample_rate=RATE, mono=False, duration_s=info.duration_s))
    assert level.lufs == pytest.approx(-23.0, abs=0.3) and level.true_peak_dbtp <= -1.0
    assert item.level == level

    # The generator's notes as they were, and ours beside them.
    tags = {name.lower(): text for name, text in read_tags(out).items()}
    assert (tags["prompt"], tags["workflow"]) == (graph, workflow)
    said = read_provenance(tags)
    assert said is not None
    assert {name: said.details[name] for name in ("tool", "backend", "seed", "prompt", "negative")} == {
        "tool": "avlink", "backend": "tone", "seed": 0, "prompt": "a stick strikes wood", "negative": "music",
    }  # fmt: skip


def test_sound_tracks_last_as_long_as_pictures(clip: Any, kit: Any, finish: Any) -> None:
    for count in (9, 81):
        source = clip(f"c{count}.mp4", frames=kit.strokes(count))
        finish(source)
        with av.open(str(source.with_name(f"c{count}.finished.mp4"))) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert abs(video.duration * video.time_base - audio.duration * audio.time_base) <= Fraction(1, 1000)
            assert abs(video.duration * video.time_base - Fraction(count, 16)) <= Fraction(1, 1000)


@pytest.mark.parametrize(("lufs", "peak"), [(-14.0, -1.0), (-27.0, -2.0), (None, -1.0)])
def test_loudness_is_that_of_the_platform(clip: Any, finish: Any, lufs: float | None, peak: float) -> None:
    (item,) = finish(clip(), lufs=lufs, peak_dbtp=peak).items
    assert item.level.true_peak_dbtp <= peak
    if lufs is None:
        # Half of full scale, as the tone was made, and no more.
        assert item.level.true_peak_dbtp == pytest.approx(-6.0, abs=1.0)
    else:
        assert item.level.lufs == pytest.approx(lufs, abs=0.3)


def test_pictures_of_variable_rate_and_odd_places(kit: Any, tmp_path: Path, finish: Any) -> None:
    times = [Fraction(ms, 1000) for ms in (0, 40, 80, 200, 500, 540, 580, 1100, 1140, 1500)]
    source = kit.write(tmp_path / "vfr.mp4", kit.strokes(10, (50, 62)), times=times)
    (item,) = finish(source, prompt="rain").items
    assert packet_hashes(item.output) == packet_hashes(source)
    assert item.duration_s == pytest.approx(float(probe(source).duration_s))


def test_odd_sizes_stay_odd(kit: Any, tmp_path: Path, finish: Any) -> None:
    source = kit.write(tmp_path / "odd.mp4", kit.strokes(10, (49, 63)), pixels="yuv444p")
    (item,) = finish(source, prompt="rain").items
    assert packet_hashes(item.output) == packet_hashes(source)
    video = probe(item.output).video
    assert video is not None and (video.width, video.height) == (63, 49)


@pytest.mark.parametrize(("suffix", "size"), [(".webp", (49, 63)), (".png", (48, 64)), (".gif", (48, 63))])
def test_animated_images_become_movies(
    kit: Any, tmp_path: Path, finish: Any, suffix: str, size: tuple[int, int]
) -> None:
    frames = kit.strokes(8, size)
    named = {"exif": kit.comfy_exif(prompt=kit.simple_graph())} if suffix == ".webp" else {}
    source = kit.write_image(tmp_path / f"a{suffix}", frames, duration=100, **named)
    (item,) = finish(source, lossless=True).items
    assert item.output == tmp_path / "a.finished.mp4"
    assert item.notes[-1] == f"{suffix[1:]} holds no sound: the result is mp4, its picture encoded without loss"
    assert probe(item.output).duration_s == Fraction(8, 10)
    with av.open(str(item.output)) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(shown) == 8
    if suffix != ".gif":
        assert np.array_equal(shown, frames)
    if suffix == ".webp":
        assert json.loads(read_tags(item.output)["prompt"]) == kit.simple_graph()


@pytest.mark.parametrize("output", ["x.webm", "x.mkv", "x.mov"])
def test_an_animated_image_becomes_the_movie_that_is_named(kit: Any, tmp_path: Path, finish: Any, output: str) -> None:
    source = kit.write_image(tmp_path / "a.webp", kit.strokes(6), duration=[50, 60, 70, 80, 90, 100])
    (item,) = finish(source, output=tmp_path / output, prompt="rain").items
    assert item.duration_s == 0.45
    # WebM does not say how long the last picture stays.
    assert output == "x.webm" or probe(item.output).duration_s == Fraction(450, 1000)
    assert "visually alike" in item.notes[-1]


def test_pictures_over_black_where_an_image_shows_through(tmp_path: Path, finish: Any) -> None:
    from PIL import Image

    images = [Image.new("RGBA", (32, 32), (200, 100, 50, 128)) for _ in range(3)]
    images[1] = Image.new("RGBA", (32, 32), (200, 100, 50, 0))
    images[0].save(tmp_path / "a.webp", save_all=True, append_images=images[1:], duration=200, lossless=True)
    (item,) = finish(tmp_path / "a.webp", lossless=True, prompt="rain").items
    with av.open(str(item.output)) as container:
        levels = [frame.to_ndarray(format="rgb24")[0, 0].tolist() for frame in container.decode(video=0)]
    assert levels[1] == [0, 0, 0] and levels[0] == pytest.approx([100, 50, 25], abs=1)


def noise(seconds: float, level: float) -> np.ndarray:
    return (np.random.default_rng(0).normal(0, level, (2, round(seconds * RATE)))).astype(np.float32)


def test_a_sound_that_is_there_is_not_lost_unasked(clip: Any, finish: Any) -> None:
    source = clip(sound=noise(0.6, 0.05))
    with pytest.raises(InputError, match="has a sound already; --replace makes another in its place, --mix puts"):
        finish(source)
    (item,) = finish(source, existing="replace").items
    spectrum = np.abs(np.fft.rfft(heard(item.output)[0]))
    assert spectrum.max() ** 2 > 0.5 * (spectrum**2).sum()
    assert "the sound that it had was replaced" in item.notes


def test_a_sound_that_is_there_can_stay_under_ours(clip: Any, finish: Any) -> None:
    source = clip(sound=noise(0.6, 0.02))
    (item,) = finish(source, existing="mix").items
    assert item.level.lufs == pytest.approx(-23.0, abs=0.3)
    spectrum = np.abs(np.fft.rfft(heard(item.output)[0])) ** 2
    tone = spectrum[spectrum.argmax() - 3 : spectrum.argmax() + 4].sum()
    # As loud as each other: neither drowns.
    assert 0.2 < tone / spectrum.sum() < 0.8
    with pytest.raises(InputError, match="a mix already, which cannot be taken apart"):
        finish(item.output, force=True, in_place=True)


def test_a_silent_track_is_no_sound(clip: Any, finish: Any) -> None:
    (item,) = finish(clip(sound=np.zeros((2, 30000), np.float32))).items
    assert item.status == "generated" and "its sound track was silent, and was replaced" in item.notes


def test_what_is_finished_is_left_alone(clip: Any, tmp_path: Path, finish: Any) -> None:
    source = clip()
    (first,) = finish(source).items
    written = first.output.read_bytes()
    (again,) = finish(source).items
    assert again.status == "skipped" and "is finished already" in again.reason
    (done,) = finish(first.output).items
    assert done.status == "skipped" and done.reason.startswith("already finished: avlink ")
    # As with `avlink finish *.mp4`, given once more.
    report = finish(source, first.output)
    assert report.counts == {"generated": 0, "cached": 0, "skipped": 2, "failed": 0}
    assert first.output.read_bytes() == written
    # Other words are another result, the same again with --force is the same, and its sound comes from the cache.
    assert finish(source, prompt="rain").items[0].status == "generated"
    assert finish(source).items[0].status == "cached"
    assert first.output.read_bytes() == written
    assert finish(source, force=True).items[0].status == "generated"
    assert first.output.read_bytes() == written
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["clip_00001_.finished.mp4", "clip_00001_.mp4"]


def test_in_place_only_when_asked(clip: Any, finish: Any) -> None:
    source = clip()
    hashes = packet_hashes(source)
    (item,) = finish(source, in_place=True).items
    assert item.output == source and probe(source).has_audio
    assert packet_hashes(source) == hashes
    assert finish(source, in_place=True).items[0].status == "skipped"
    (anew,) = finish(source, in_place=True, force=True, prompt="rain").items
    assert anew.status == "generated" and json.loads(read_tags(source)["avlink"])["prompt"] == "rain"
    assert packet_hashes(source) == hashes


def test_a_stranger_s_file_is_not_written_over(clip: Any, tmp_path: Path, finish: Any) -> None:
    source, stranger = clip(), tmp_path / "clip_00001_.finished.mp4"
    stranger.write_text("mine")
    with pytest.raises(OutputError, match="was not written by AVLink, and is not overwritten"):
        finish(source)
    assert stranger.read_text() == "mine"
    with pytest.raises(OutputError, match="never overwritten"):
        finish(source, stranger, force=True)
    with pytest.raises(OutputError, match="--overwrite"):
        finish(source, force=True)
    assert finish(source, overwrite=True).items[0].status == "generated"
    assert stranger.with_name(f"{stranger.name}.bak").read_text() == "mine"


def test_words_are_chosen_by_the_user_first(clip: Any, finish: Any) -> None:
    source = clip()
    assert finish(source, dry_run=True).items[0].prompt.text == "a stick strikes wood"
    (given,) = finish(source, prompt="rain {on} tin", negative="wind", dry_run=True).items
    assert (given.prompt.text, given.prompt.negative, given.prompt.location) == ("rain {on} tin", "wind", "--prompt")
    (none,) = finish(source, use_prompt=False, dry_run=True).items
    assert (none.prompt.text, none.notes) == ("", ())
    assert not list(source.parent.glob("*.finished*"))


def test_without_words_the_picture_alone_counts_and_that_is_said(clip: Any, finish: Any) -> None:
    (item,) = finish(clip(tags={}), dry_run=True).items
    assert item.notes == ("no prompt was found in it; the sound follows the picture alone",)


def test_one_failing_file_does_not_end_the_run(
    clip: Any, kit: Any, tmp_path: Path, finish: Any, told: list[Any]
) -> None:
    (tmp_path / "text.mp4").write_text("not a video")
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "broken.webp").write_bytes(b"RIFF\x10\0\0\0WEBPVP8X" + bytes(20))
    kit.write_image(tmp_path / "still.webp", kit.strokes(1))
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        track = container.add_stream("aac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = RATE
        container.mux(track.encode(frame))
        container.mux(track.encode(None))
    names = ["text.mp4", "empty.mp4", "missing.mp4", "broken.webp", "still.webp", "sound.mp4"]
    report = finish(*(tmp_path / name for name in names), clip())
    assert [item.status for item in report.items] == ["failed"] * 6 + ["generated"]
    assert report.exit_code == 3
    reasons = [item.reason for item in report.items[:6]]
    for reason, words in zip(
        reasons, ["text file", "zero bytes", "does not exist", "damaged", "still picture", "no picture"], strict=True
    ):
        assert words in reason and "\n" not in reason, reason
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".avlink-tmp")]


def test_the_only_file_at_fault_is_wrong_input(tmp_path: Path, finish: Any) -> None:
    with pytest.raises(MediaError, match="does not exist"):
        finish(tmp_path / "missing.mp4")


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"output": "one.mp4", "count": 2}, "is one file, for 2 videos"),
        ({"output": "one.avi", "count": 1}, "a finished video is one of"),
        ({"output": "folder", "in_place": True, "count": 1}, "exclude each other"),
        ({"count": 0}, "there is nothing to finish"),
    ],
)
def test_places_that_make_no_sense_are_said(
    clip: Any, tmp_path: Path, finish: Any, asked: dict[str, Any], words: str
) -> None:
    sources = [clip(f"{index}.mp4") for index in range(asked.pop("count"))]
    if "output" in asked:
        asked["output"] = tmp_path / asked["output"]
    with pytest.raises(InputError, match=words):
        finish(*sources, **asked)


def test_two_files_that_would_become_one_are_said(clip: Any, kit: Any, tmp_path: Path, finish: Any) -> None:
    (tmp_path / "other").mkdir()
    one, two = clip("a.mp4"), kit.write(tmp_path / "other" / "a.mp4", kit.strokes(4))
    with pytest.raises(OutputError, match="would both become"):
        finish(one, two, output=tmp_path / "out")
    with pytest.raises(OutputError, match="in place: an animated image holds no sound"):
        finish(kit.write_image(tmp_path / "a.webp", kit.strokes(4)), in_place=True)


def test_a_folder_gets_the_same_names(clip: Any, kit: Any, tmp_path: Path, finish: Any) -> None:
    sources = (clip("a.mp4"), kit.write_image(tmp_path / "b.webp", kit.strokes(6)))
    report = finish(*sources, output=tmp_path / "new" / "out")
    assert [item.output for item in report.items] == [tmp_path / "new" / "out" / name for name in ("a.mp4", "b.mp4")]


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("a.MP4", "a.finished.mp4"),
        ("a.avi", "a.finished.mkv"),
        ("a.3gp", "a.finished.mov"),
        ("a.gif", "a.finished.mp4"),
    ],
)
def test_what_keeps_no_notes_becomes_what_does(tmp_path: Path, recipe: SonifyRecipe, name: str, becomes: str) -> None:
    request = FinishRequest(inputs=(tmp_path / name,), recipe=recipe)
    assert output_paths(request) == (tmp_path / becomes,)


def test_the_seed_is_that_of_the_run(clip: Any, finish: Any, recipe: SonifyRecipe) -> None:
    source = clip()
    other = recipe.model_copy(update={"run": recipe.run.model_copy(update={"seed": 7})})
    one = heard(finish(source).items[0].output)
    two = heard(finish(source, recipe=other).items[0].output)
    assert not np.array_equal(one, two)


def test_the_report_has_every_word(clip: Any, finish: Any) -> None:
    report = finish(clip()).to_json()
    assert set(report) == {"inputs", "items", "counts"}
    (item,) = report["items"]
    assert item["prompt_as_written"] == "(a stick strikes wood:1.2), masterpiece, 8k"
    assert item["prompt_from"] == "the mp4's tag prompt (KSampler 10)"
    assert item["sample_rate"] == RATE and item["channels"] == 2 and item["duration_s"] == 0.625
    json.dumps(report, allow_nan=False)


def test_a_video_that_is_replaced_meanwhile_is_not_finished_and_the_others_are(
    tmp_path: Path, session: Session, recipe: SonifyRecipe
) -> None:
    videos = [make_movie(tmp_path / f"{name}.mp4", seconds=1, seed=seed) for seed, name in enumerate("ab")]
    (tmp_path / "other").mkdir()
    other = make_movie(tmp_path / "other" / "a.mp4", seconds=1, seed=5)

    def listen(event: Event) -> None:
        # The sound of the first one is being generated.
        if isinstance(event, StepDone) and other.exists():
            other.replace(videos[0])

    request = FinishRequest(inputs=tuple(videos), recipe=recipe, prompt="rain")
    report = finish_videos(request, replace(session, listener=listen))
    assert [item.status for item in report.items] == ["failed", "generated"]
    assert report.items[0].reason == f"{videos[0]} changed while it was read; run again"
    assert not (tmp_path / "a.finished.mp4").exists()
    assert finish_videos(request, session).counts["generated"] == 1
