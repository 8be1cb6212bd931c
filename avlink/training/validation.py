"""Figures on held-out clips while a model trains, and samples to look at and listen to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.features import FeatureExtractor
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.nn.motion import ONSETS_PER_FRAME
from avlink.engine.pixels import to_pixels
from avlink.engine.sampling import PictureSampler, SampleConfig, SoundSampler, generate_joint
from avlink.engine.system import System
from avlink.engine.train.loop import Stage, step_generator
from avlink.evaluation.system import slower
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events
from avlink.metrics.sync import aggregate
from avlink.training.data.clips import ClipStore
from avlink.training.data.stills import StillStore
from avlink.training.distances import Distances
from avlink.training.objectives import onset_peaks
from avlink.training.samples import SAMPLES, contact_sheet, keep_sounds
from avlink.training.stages.inputs import device_of

_DRAWS, _AT_ONCE = 4, 8

_Judge = TypeVar("_Judge", bound=Callable[..., dict[str, float]])


def _where_there_are_clips(judge: _Judge) -> _Judge:
    """A small set may hold no clip out; then there is nothing to say."""

    @functools.wraps(judge)
    def judged(system: System, clips: ClipStore, *rest: object) -> dict[str, float]:
        return judge(system, clips, *rest) if len(clips) else {}

    return cast(_Judge, judged)


def _truth(clips: ClipStore) -> list[list[float]]:
    return [[t for t, _, _ in note.events] for note in clips.notes]


@_where_there_are_clips
def motion(system: System, clips: ClipStore) -> dict[str, float]:
    """Onset F1 of the stem's own guesses, and how many materials it names rightly."""
    assert system.motion is not None
    fps, found, right, named = system.motion.config.fps, [], 0, 0
    for index, note in enumerate(clips.notes):
        seen = system.motion(to_pixels(clips.frames([index]).to(device_of(system))))
        found.append(onset_peaks(seen.onset_logits[0].float().sigmoid(), ONSETS_PER_FRAME * fps))
        guesses = seen.class_logits[0].argmax(-1).tolist()
        for time_s, name, _ in note.events:
            if name in system.motion.config.classes and int(time_s * fps) < len(guesses):
                named += 1
                right += system.motion.config.classes[guesses[int(time_s * fps)]] == name
    wide, narrow = (aggregate(_truth(clips), found, window) for window in (0.1, 0.05))
    return {"f1_100ms": wide.f1, "f1_50ms": narrow.f1, "class": right / max(1, named)}


def appearance(system: System, stills: StillStore) -> dict[str, float]:
    """How often single pictures tell rightly what is struck in them."""
    assert system.motion is not None
    if not len(stills):
        return {}
    right, classes = 0, system.motion.config.classes
    for at in range(0, len(stills), 200):
        indices = range(at, min(at + 200, len(stills)))
        pixels = to_pixels(stills.frames(indices)[:, None].to(device_of(system)))[:, 0]
        guesses = system.motion.appearance.classify(pixels).argmax(-1).tolist()
        right += sum(classes[guess] == stills.names[i] for guess, i in zip(guesses, indices, strict=True))
    return {"class": right / len(stills)}


@_where_there_are_clips
def codec(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """Onset F1 of true sounds through VAE and vocoder: the ceiling of everything generated."""
    found, sounds, rate = [], [], system.config.mel.sample_rate
    for index in range(len(clips)):
        latents = system.codec.encode(clips.sound([index]).to(device_of(system)))
        sounds.append(system.codec.decode(latents)[0].float().cpu().numpy())
        found.append(list(detect_onsets(sounds[-1], rate).times_s))
    keep_sounds(system, sounds, _truth(clips), out, "codec")
    return {"f1_100ms": aggregate(_truth(clips), found, 0.1).f1}


@torch.no_grad()
def held_out_loss(unseen: Stage, name: str = "total") -> dict[str, float]:
    """A loss of a stage whose clips are the held-out ones, by draws that are the same every time."""
    losses: list[float] = []
    for draw in range(_DRAWS):
        for start in range(0, unseen.num_clips, _AT_ONCE):
            indices = list(range(start, min(start + _AT_ONCE, unseen.num_clips)))
            loss = unseen.loss(indices, step_generator("held out", draw, start))[name]
            losses += [float(loss)] * len(indices)
    return {name: float(np.mean(losses))} if losses else {}


def true_sound(system: System, clips: ClipStore, index: int) -> Waveform:
    """A clip's own sound."""
    return Waveform(samples=clips.sound([index]).numpy(), sample_rate=system.config.mel.sample_rate)


def true_pictures(system: System, clips: ClipStore, index: int) -> Frames:
    """A clip's own pictures at the rate at which the model makes them."""
    return _pictures(clips, index, system.config.picture.fps)


def _pictures(clips: ClipStore, index: int, fps: int) -> Frames:
    return Frames(pixels=slower(clips.frames([index]).numpy(), clips.fps // fps)[0], rate=Fraction(fps))


def _requests(clips: ClipStore, fps: int, seconds: float) -> list[SoundRequest]:
    return [
        SoundRequest(
            frames=_pictures(clips, index, fps),
            duration_s=Fraction(seconds).limit_denominator(1000),
            prompt=Prompt(),
            seed=index,
        )
        for index in range(len(clips))
    ]


def _sonify(
    system: System,
    clips: ClipStore,
    config: SampleConfig,
    extractor: FeatureExtractor | None = None,
) -> list[np.ndarray]:
    sampler = SoundSampler(system, config, extractor)
    seconds = system.config.window_tokens / system.config.tokens_per_second
    rate = int(sampler.picture.rate)
    # What is no number sounds like nothing: a judgement of it is bad, but ends no training.
    return [np.nan_to_num(read_whole(made).samples[0]) for made in sampler.generate(_requests(clips, rate, seconds))]


@_where_there_are_clips
def audio(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """Samples of the backbone alone, by caption; its onset F1 is chance."""
    sampler = SoundSampler(system, SampleConfig(steps=8, guidance=3.0, use_picture=False))
    spec, seconds = sampler.picture, system.config.window_tokens / system.config.tokens_per_second
    # Nobody looks at it, and clips that are only heard have none.
    unseen = Frames(pixels=np.zeros((1, spec.height, spec.width, 3), np.uint8), rate=spec.rate)
    requests = [
        SoundRequest(
            frames=unseen,
            duration_s=Fraction(seconds).limit_denominator(1000),
            prompt=Prompt(text=note.caption),
            seed=index,
        )
        for index, note in enumerate(clips.notes[:SAMPLES])
    ]
    made = [read_whole(sound).samples[0] for sound in sampler.generate(requests)]
    keep_sounds(system, made, _truth(clips), out, "audio")
    return {}


@_where_there_are_clips
def sound(
    system: System,
    clips: ClipStore,
    out: Path | None,
    t_video: float,
    extractor: FeatureExtractor | None,
    ears: Distances,
) -> dict[str, float]:
    """Onset F1 of sound that is generated for silent pictures, without captions, and how far it is from the true."""
    few = SampleConfig(steps=8, guidance=3.0, t_condition=t_video)
    sounds = _sonify(system, clips, few, extractor)
    found = [list(detect_onsets(s, system.config.mel.sample_rate).times_s) for s in sounds]
    keep_sounds(system, sounds[:SAMPLES], _truth(clips), out, "sound")
    wide, narrow = (aggregate(_truth(clips), found, window) for window in (0.1, 0.05))
    scores = {"f1_100ms": wide.f1, "f1_50ms": narrow.f1}
    made = (Waveform(samples=samples[None], sample_rate=system.config.mel.sample_rate) for samples in sounds)
    return scores | ears.between((one, true_sound(system, clips, index)) for index, one in enumerate(made))


@_where_there_are_clips
def picture(system: System, clips: ClipStore, out: Path | None, t_audio: float, eyes: Distances) -> dict[str, float]:
    """F1 of what changes in pictures that are generated for true sounds, and how far they are from the true."""
    sampler = PictureSampler(system, SampleConfig(steps=8, guidance=3.0, t_condition=t_audio))
    found: list[list[float]] = []

    def pairs() -> Iterator[tuple[Frames, Frames]]:
        for index in range(len(clips)):
            wave = true_sound(system, clips, index)
            request = PictureRequest(sound=wave, duration_s=wave.duration_s, prompt=Prompt(), seed=index)
            (made,) = sampler.generate([request])
            frames = Frames(pixels=made.read(0, made.num_frames), rate=made.rate)
            found.append(frame_difference_events(frames.pixels, frames.rate).tolist())
            if out is not None and index < SAMPLES:
                contact_sheet(frames.pixels, out / "samples" / f"picture-{index}.png")
            yield frames, true_pictures(system, clips, index)

    distances = eyes.between(pairs())
    return {"picture_f1_200ms": aggregate(_truth(clips), found, 0.2).f1} | distances


@_where_there_are_clips
def both(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """F1 of what changes in pictures against what sounds, where both are made at once."""
    struck, changed = made_at_once(system, clips, len(clips), steps=16, guidance=3.0, out=out)
    return {"both_f1_200ms": aggregate(struck, changed, 0.2).f1}


def made_at_once(
    system: System, clips: ClipStore, count: int, *, steps: int, guidance: float, out: Path | None = None
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """When it sounds and when the picture changes, in seconds, made of the captions of some clips alone."""
    captions = [note.caption for note in clips.notes[:count]]
    sounds, pictures = generate_joint(system, captions, range(count), steps=steps, guidance=guidance)
    rate, fps = system.config.mel.sample_rate, Fraction(system.config.picture.fps)
    if out is not None:
        keep_sounds(system, list(sounds[:SAMPLES]), None, out, "both")
        for index in range(min(count, SAMPLES)):
            contact_sheet(pictures[index], out / "samples" / f"both-{index}.png")
    struck = [detect_onsets(np.nan_to_num(made), rate).times_s for made in sounds]
    return struck, [frame_difference_events(made, fps) for made in pictures]
