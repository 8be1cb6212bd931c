"""Clips that sound as the recordings of a sound library: of the foundry, and of the library alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.core.errors import InputError, RecipeError
from avlink.core.events import ignore
from avlink.core.recipe import load_recipe
from avlink.core.recipe.data import FoundryData, LibraryData
from avlink.foundry import make_clips, make_sound
from avlink.foundry.recordings import RecordedHit, SceneHits
from avlink.foundry.scene import Contact
from avlink.library.libraries import add_library
from avlink.library.thesaurus import concepts_of_label
from avlink.metrics.gain import matched_count
from avlink.metrics.onsets import detect_onsets
from avlink.training.data.clips import ClipStore
from avlink.training.data.foundry import foundry_labels, prepare_foundry
from avlink.training.data.index import ClipLabels, hits_of
from avlink.training.data.library_clips import library_clip, prepare_library
from avlink.training.data.prepare import clips_for, prepare
from avlink.training.data.recordings import captions_of, group_of, recorded_hits, sounds_of
from avlink.training.train import train
from tests.library.sounds import hiss, strikes, write_wav

RATE = 48000
NAMES = ("wood knock", "metal clank", "glass clink", "stone tap", "rubber thud", "water splash", "cloth flap")


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Two recordings of each material and a bed of rain, as the library "foley"."""
    place = tmp_path_factory.mktemp("recordings")
    for number, name in enumerate([f"{name} {take}" for name in NAMES for take in (1, 2)]):
        write_wav(place / "sounds" / f"{name}.wav", strikes([2400], 24000, seed=number, decay_s=0.03))
    write_wav(place / "sounds" / "rain heavy.wav", hiss(11))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AVLINK_DATA_DIR", str(place / "data"))
        add_library(place / "sounds", "foley", ignore, processes=1)
    return str(place / "data")


@pytest.fixture(autouse=True)
def _data(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AVLINK_DATA_DIR", library)
    recorded_hits.cache_clear()


def test_captions_say_the_same_in_other_words_and_groups_are_of_one_source() -> None:
    sounds = {sound.name: sound for split in ("train", "held_out") for sound in sounds_of("foley", split)}
    rain, knock = sounds["rain heavy.wav"], sounds["wood knock 1.wav"]
    for sound in (rain, knock):
        assert captions_of(sound) == captions_of(sound)
        assert "" not in captions_of(sound) and len(set(captions_of(sound))) == len(captions_of(sound))
    assert "wood knock" in captions_of(knock)
    others = [line for line in captions_of(knock) if not {"wood", "knock"} & set(line.split())]
    assert others
    # Every word of these is one of the concepts of the name, or of what is broader.
    concepts = {"knock", "impact", "wood"}
    assert all(concepts & set(concepts_of_label(word)) for line in others for word in line.split())
    assert group_of(rain) != group_of(knock) and group_of(rain).endswith("rain")
    assert group_of(knock) == group_of(sounds["wood knock 2.wav"])


def test_sounds_are_held_out_by_name_and_none_is_in_both_parts() -> None:
    train_names, held_out = ({sound.name for sound in sounds_of("foley", split)} for split in ("train", "held_out"))
    assert len(train_names) + len(held_out) == 15 and not train_names & held_out
    assert len(held_out) == 2
    with pytest.raises(InputError, match="sound library 'nothing'"):
        sounds_of("nothing", "train")


def test_hits_are_cut_by_material_with_their_attack_and_a_peak_of_one() -> None:
    hits = recorded_hits("foley", RATE, "train")
    assert {material for material, families in hits.families.items() if families} >= {"wood", "metal", "rubber"}
    for families in hits.families.values():
        for family in families:
            for hit in family:
                assert np.abs(hit.samples).max() == pytest.approx(1.0)
                # The transient is the loudest sample of these.
                assert abs(int(np.abs(hit.samples).argmax()) - hit.attack) <= 2


@pytest.mark.parametrize("time_s", [0.001, 1.0, 5.15])
def test_the_attack_of_a_recording_lies_at_its_contact(time_s: float) -> None:
    samples = np.zeros(9600, np.float32)
    samples[480:] = np.exp(-np.arange(9120) / 960)
    hits = SceneHits(rate=RATE, hits={"wood": [RecordedHit(samples=samples, attack=480)]}, modal_gain=0.0)
    contact = Contact(time_s=time_s, material="wood", strength=1.0, size_px=6.0)
    first = round(time_s * RATE)
    begin, sound = hits.add(contact, first, torch.zeros(10), np.random.default_rng(0))
    assert begin >= 0 and begin + len(sound) <= 247_680
    assert abs(begin + int(sound.abs().argmax()) - first) <= 12


def test_pictures_and_events_stay_and_the_sound_is_that_of_the_recordings() -> None:
    plain = make_clips([3, 5], split="train", rate=RATE)
    hits = recorded_hits("foley", RATE, "train")
    one, again = (make_clips([3, 5], split="train", rate=RATE, recordings=hits) for _ in range(2))
    assert torch.equal(one.sound, again.sound) and one.sound.shape == (2, 247_680)
    assert torch.equal(one.frames, plain.frames) and one.clips == plain.clips
    assert not torch.equal(one.sound, plain.sound)
    with pytest.raises(ValueError, match="do not fit sound at 16000 Hz"):
        make_clips([3], split="train", recordings=hits)


def test_the_foundry_sounds_alike_at_both_rates() -> None:
    """At 48 kHz contacts are heard at the same times, and there is sound above 8 kHz."""
    low, high = make_clips(range(20, 26), split="train"), make_clips(range(20, 26), split="train", rate=RATE)
    matched = found = 0
    for row in range(6):
        a = list(detect_onsets(low.sound[row].numpy(), 16000).times_s)
        b = list(detect_onsets(high.sound[row].numpy(), RATE).times_s)
        matched, found = matched + 2 * matched_count(a, b, 0.03), found + len(a) + len(b)
    assert matched > 0.8 * found
    spectrum = torch.fft.rfft(high.sound).abs().square()
    above = int(8500 / (RATE / 2) * spectrum.shape[-1])
    assert spectrum[:, above:].sum() > 1e-4 * spectrum.sum()


def test_a_clip_of_the_library_is_a_function_of_its_seed_and_sounds_at_its_events() -> None:
    matched = labelled = 0
    for seed in range(12):
        sound, labels = library_clip("foley", seed, split="train", rate=RATE, samples=247_680)
        same, again = library_clip("foley", seed, split="train", rate=RATE, samples=247_680)
        np.testing.assert_array_equal(sound, same)
        assert labels == again and labels.caption and np.abs(sound).max() <= 1.0
        times = [time_s for time_s, _, _ in labels.events]
        assert times == sorted(times)
        matched += matched_count(times, list(detect_onsets(sound, RATE).times_s), 0.05)
        labelled += len(times)
    assert labelled > 12 and matched > 0.85 * labelled


def test_prepared_clips_of_another_rate_are_refused(tmp_path: Path) -> None:
    prepare_foundry(FoundryData(clips=1, held_out=1, recordings="foley"), RATE, tmp_path / "alone", ignore)
    assert ClipStore(tmp_path / "alone" / "train").sound([0]).shape == (1, 247_680)
    small = ["data.clips=1", "data.held_out=1", "data.stills=0"]
    clips_for(load_recipe("foley_tiny", "train", small), tmp_path, ignore)
    wide = load_recipe(
        "foley48/codec", "train", [f'data={{source="foundry", prepared="{(tmp_path / "clips").as_posix()}"}}']
    )
    with pytest.raises(InputError, match="16000 samples a second, and the model wants 48000"):
        clips_for(wide, tmp_path / "other", ignore)
    # Nor are they told to be of another rate by preparing them again: finished shards are kept.
    again = load_recipe("foley48/codec", "train", ['data={source="foundry", clips=1, held_out=1}'])
    with pytest.raises(InputError, match="holds other clips: its sound has 16000"):
        prepare(again, tmp_path / "clips", ignore)
    assert ClipStore(tmp_path / "clips" / "train").sound([0]).shape == (1, 82560)


def test_a_codec_trains_on_a_library(tmp_path: Path) -> None:
    """One step of each stage of the recipe, from a library to a bundle; a second run makes nothing again."""
    small = ["data.library=foley", "data.clips=2", "data.held_out=2", "model.vae.dim=32", "model.vae.fine_dim=32"]
    small += [
        "model.audio.dim=32",
        "model.audio.heads=2",
        "model.video.dim=48",
        "model.video.heads=2",
        "model.vae.latent_channels=8",
        "model.vocoder.dim=32",
        "model.vocoder.layers=1",
        "log.judge=false",
    ]
    small += [f"stages.{name}.{key}" for name in ("vae", "vocoder", "codec") for key in ("steps=1", "batch=2")]
    bundle = train(load_recipe("foley48/codec", "train", small), tmp_path)
    assert (bundle / "bundle.toml").is_file()
    assert not list((tmp_path / "bundle").rglob("*discriminator*"))


def test_named_clips_sound_as_the_object_of_their_caption_at_the_same_moments() -> None:
    hits = recorded_hits("foley", RATE, "train")
    captions = {line for group in hits.objects for one in group for line in one.captions}
    plain = make_clips(range(30, 42), split="train", rate=RATE, recordings=hits)
    named = make_clips(range(30, 42), split="train", rate=RATE, recordings=hits, named=1.0)
    assert torch.equal(named.frames, plain.frames)
    for before, after in zip(plain.clips, named.clips, strict=True):
        assert after.events == before.events
        # Scenes that go on sounding stay as they are.
        assert after.named == (before.envelope is None and bool(before.events))
        assert (after.caption in captions) if after.named else (after == before)
    assert sum(clip.named for clip in named.clips) > 6
    matched = labelled = 0
    for sound, clip in zip(named.sound, named.clips, strict=True):
        if clip.named:
            times = [event.time_s for event in clip.events]
            matched += matched_count(times, list(detect_onsets(sound.numpy(), RATE).times_s), 0.05)
            labelled += len(times)
    assert matched > 0.8 * labelled
    labels = foundry_labels(next(clip for clip in named.clips if clip.named))
    assert ClipLabels.from_json(labels.to_json()) == labels and labels.named
    assert {hit.kind for hit in hits_of(labels)} == {""}


def test_the_sound_of_a_clip_alone_is_that_of_the_clip() -> None:
    hits = recorded_hits("foley", RATE, "train")
    whole = make_clips([30, 31], split="train", rate=RATE, recordings=hits, named=0.5)
    for row, seed in enumerate((30, 31)):
        sound, info = make_sound(seed, split="train", rate=RATE, recordings=hits, named=0.5)
        # An envelope is an array, which has no truth value.
        assert torch.equal(sound, whole.sound[row]) and info.caption == whole.clips[row].caption


def test_clips_of_a_library_take_their_share_of_the_foundry(tmp_path: Path) -> None:
    counts = []
    for share in (0.0, 0.5, 1.0):
        data = LibraryData(library="foley", clips=10, held_out=1, foundry=share)
        prepare_library(data, RATE, 247_680, tmp_path / str(share), ignore)
        clips = ClipStore(tmp_path / str(share) / "train")
        assert clips.sound(range(10)).shape == (10, 247_680)
        counts.append(sum(bool(label.group) for label in clips.labels))
    assert counts[0] == 0 < counts[1] < 10 == counts[2]


def test_named_clips_need_a_library() -> None:
    with pytest.raises(RecipeError, match="named takes sounds from a library"):
        load_recipe("foley_tiny", "train", ["data.named=0.5"])
