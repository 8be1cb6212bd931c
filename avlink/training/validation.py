"""Figures on held-out clips while a model trains, with samples to look at and listen to."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from avlink.core.features import FeatureExtractor
from avlink.core.sampling import PICTURES, SOUND, SampleConfig
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.flow.path import sample_path
from avlink.engine.nn.flow_spotter import FlowSpotter
from avlink.engine.nn.motion import Motion, MotionStem
from avlink.engine.pixels import lower_frame_rate, to_pixels
from avlink.engine.sampling import JointSampler, PictureSampler, SoundSampler
from avlink.engine.sampling.base import seeded_noise
from avlink.engine.system import System
from avlink.engine.train.loop import Stage, step_generator
from avlink.engine.train.ranks import share_out
from avlink.evaluation.model import average_frames
from avlink.metrics.onsets import detect_onsets
from avlink.metrics.picture_events import frame_difference_events
from avlink.metrics.sync import onset_summary
from avlink.training.data.clips import ClipStore, StillStore
from avlink.training.data.index import ClipLabels, hits_of
from avlink.training.data.maps import MapStore
from avlink.training.distances import FrechetDistances
from avlink.training.objectives import onset_peaks
from avlink.training.samples import NUM_SAMPLES, save_contact_sheet, save_sounds
from avlink.training.stages.inputs import device_of

_DRAWS, _BATCH = 4, 8
_BATCH_STILLS = 200

_Validation = TypeVar("_Validation", bound=Callable[..., dict[str, float]])


def _unless_empty(validation: _Validation) -> _Validation:
    """Give no figures where a small data set holds no clip out."""

    @functools.wraps(validation)
    def wrapped(system: System, clips: ClipStore, *rest: object, **options: object) -> dict[str, float]:
        return validation(system, clips, *rest, **options) if len(clips) else {}

    return cast(_Validation, wrapped)


def _event_times(clips: ClipStore) -> list[list[float]]:
    return [[t for t, _, _ in labels.events] for labels in clips.labels]


@_unless_empty
def motion(system: System, clips: ClipStore) -> dict[str, float]:
    """Onset F1 of the stem's own predictions, and its accuracy in naming the classes of events."""
    stem = system.motion
    assert stem is not None
    device = device_of(system)
    return _motion_scores(stem, clips.labels, lambda index: stem(to_pixels(clips.frames([index]).to(device))))


def spotter(system: System, maps: MapStore) -> dict[str, float]:
    """The scores of `motion` for the flow spotter, on motion maps."""
    net, device = system.spotter, device_of(system)
    assert isinstance(net, FlowSpotter)
    if not len(maps):
        return {}

    def told(index: int, net: FlowSpotter = net) -> Motion:
        return net.told_by(net.read(maps.maps([index]).to(device)))

    return _motion_scores(net, maps.labels, told)


@_unless_empty
def readout(system: System, clips: ClipStore, t_video: float) -> dict[str, float]:
    """The scores of `motion` for what the readout tells from the video backbone."""
    stem, device = system.motion, device_of(system)
    assert stem is not None

    def told(index: int) -> Motion:
        pixels = to_pixels(clips.frames([index]).to(device))
        v_1, t_v = lower_frame_rate(pixels, clips.fps // system.config.picture.fps), torch.tensor([t_video])
        v_0 = seeded_noise(tuple(v_1.shape), index, 0)
        v_t = sample_path(v_0.to(device), v_1, t_v.to(device)).x_t
        return stem.told_by(system.motion_tokens(v_t, t_v.to(device)))

    return _motion_scores(stem, clips.labels, told)


def _motion_scores(
    net: MotionStem | FlowSpotter, labels: Sequence[ClipLabels], told: Callable[[int], Motion]
) -> dict[str, float]:
    found, right, named = [], 0, 0
    classes = net.config.classes
    for index, label in enumerate(labels):
        seen = told(index)
        found.append(onset_peaks(seen.onset_logits[0].float().sigmoid(), net.onsets_per_frame * net.fps))
        guesses = seen.class_logits[0].argmax(-1).tolist()
        for time_s, name, _ in label.events:
            if name in classes and int(time_s * net.fps) < len(guesses):
                named += 1
                right += classes[guesses[int(time_s * net.fps)]] == name
    true = [[time_s for time_s, _, _ in label.events] for label in labels]
    wide, narrow = (onset_summary(true, found, window) for window in (0.1, 0.05))
    return {"f1_100ms": wide.f1, "f1_50ms": narrow.f1, "class": right / max(1, named)}


def appearance(system: System, stills: StillStore) -> dict[str, float]:
    """Accuracy in naming the struck material from single pictures."""
    assert system.motion is not None
    if not len(stills):
        return {}
    right, classes = 0, system.motion.config.classes
    for at in range(0, len(stills), _BATCH_STILLS):
        indices = range(at, min(at + _BATCH_STILLS, len(stills)))
        pixels = to_pixels(stills.frames(indices)[:, None].to(device_of(system)))[:, 0]
        guesses = system.motion.appearance.classify(pixels).argmax(-1).tolist()
        right += sum(classes[guess] == stills.names[i] for guess, i in zip(guesses, indices, strict=True))
    return {"class": right / len(stills)}


@_unless_empty
def codec(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """Onset F1 of true sounds through VAE and vocoder: the ceiling of everything generated."""
    rate = system.config.mel.sample_rate

    def decoded(index: int) -> NDArray[np.float32]:
        latents = system.codec.encode(clips.sound([index]).to(device_of(system)))
        samples: NDArray[np.float32] = system.codec.decode(latents)[0].float().cpu().numpy()
        return samples

    sounds = share_out(len(clips), decoded)
    found = [list(detect_onsets(samples, rate).times_s) for samples in sounds]
    save_sounds(system, sounds, _event_times(clips), out, "codec")
    return {"f1_100ms": onset_summary(_event_times(clips), found, 0.1).f1}


@torch.no_grad()
def held_out_loss(stage: Stage, name: str = "total") -> dict[str, float]:
    """A loss of a stage on held-out clips, with random draws that are the same every time."""
    starts = [(draw, start) for draw in range(_DRAWS) for start in range(0, stage.num_clips, _BATCH)]

    def losses(number: int) -> list[float]:
        draw, start = starts[number]
        indices = list(range(start, min(start + _BATCH, stage.num_clips)))
        loss = stage.loss(indices, step_generator("held out", draw, start))[name]
        # Weighted by clips: the last batch may be smaller.
        return [float(loss)] * len(indices)

    found = [loss for batch in share_out(len(starts), losses) for loss in batch]
    return {name: float(np.mean(found))} if found else {}


def true_sound(system: System, clips: ClipStore, index: int) -> Waveform:
    """Return a clip's own sound."""
    return Waveform(samples=clips.sound([index]).numpy(), sample_rate=system.config.mel.sample_rate)


def true_pictures(system: System, clips: ClipStore, index: int) -> Frames:
    """Return a clip's own pictures at the rate at which the model generates them."""
    return _pictures(clips, index, system.config.picture.fps)


def _pictures(clips: ClipStore, index: int, fps: int) -> Frames:
    return Frames(pixels=average_frames(clips.frames([index]).numpy(), clips.fps // fps)[0], rate=Fraction(fps))


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


def _generate_sounds(
    system: System,
    clips: ClipStore,
    config: SampleConfig,
    extractor: FeatureExtractor | None = None,
    *,
    with_hits: bool = False,
) -> list[np.ndarray]:
    sampler = SoundSampler(system, config, extractor)
    seconds = system.config.window_tokens / system.config.tokens_per_second
    requests = _requests(clips, int(sampler.picture.rate), seconds)
    if with_hits:
        told = zip(requests, clips.labels, strict=True)
        requests = [replace(request, hits=hits_of(labels)) for request, labels in told]

    def generated(index: int) -> NDArray[np.float32]:
        # An untrained model may generate NaN, which scores badly as silence, but must not end the training.
        samples: NDArray[np.float32] = np.nan_to_num(read_whole(sampler.generate([requests[index]])[0]).samples[0])
        return samples

    return share_out(len(requests), generated)


@_unless_empty
def audio(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """Write samples of the backbone alone, by caption; no figures, as its onset F1 is chance."""
    sampler = SoundSampler(system, replace(SOUND, steps=8, use_picture=False))
    spec, seconds = sampler.picture, system.config.window_tokens / system.config.tokens_per_second
    # The sampler does not read it, and clips of sound alone have no pictures.
    blank = Frames(pixels=np.zeros((1, spec.height, spec.width, 3), np.uint8), rate=spec.rate)
    requests = [
        SoundRequest(
            frames=blank,
            duration_s=Fraction(seconds).limit_denominator(1000),
            prompt=Prompt(text=labels.caption),
            seed=index,
        )
        for index, labels in enumerate(clips.labels[:NUM_SAMPLES])
    ]
    sounds = [read_whole(sound).samples[0] for sound in sampler.generate(requests)]
    save_sounds(system, sounds, _event_times(clips), out, "audio")
    return {}


@_unless_empty
def sound(
    system: System,
    clips: ClipStore,
    out: Path | None,
    config: SampleConfig,
    extractor: FeatureExtractor | None,
    distances: FrechetDistances,
    *,
    with_hits: bool = False,
) -> dict[str, float]:
    """Onset F1 of sounds generated for silent pictures without captions, and Fréchet distances to the true ones.

    With `with_hits` the model is told the true hits.
    """
    sounds = _generate_sounds(system, clips, config, extractor, with_hits=with_hits)
    found = [list(detect_onsets(s, system.config.mel.sample_rate).times_s) for s in sounds]
    save_sounds(system, sounds[:NUM_SAMPLES], _event_times(clips), out, "sound")
    wide, narrow = (onset_summary(_event_times(clips), found, window) for window in (0.1, 0.05))
    scores = {"f1_100ms": wide.f1, "f1_50ms": narrow.f1}
    waves = (Waveform(samples=samples[None], sample_rate=system.config.mel.sample_rate) for samples in sounds)
    pairs = ((wave, true_sound(system, clips, index)) for index, wave in enumerate(waves))
    return scores | distances.between(pairs)


@_unless_empty
def picture(
    system: System,
    clips: ClipStore,
    out: Path | None,
    t_audio: float,
    extractor: FeatureExtractor | None,
    distances: FrechetDistances,
) -> dict[str, float]:
    """F1 of changes in pictures generated for true sounds, and Fréchet distances to the true pictures."""
    sampler = PictureSampler(system, replace(PICTURES, t_condition=t_audio), extractor)

    def generated(index: int) -> Frames:
        wave = true_sound(system, clips, index)
        request = PictureRequest(sound=wave, duration_s=wave.duration_s, prompt=Prompt(), seed=index)
        (frames,) = sampler.generate([request])
        return Frames(pixels=frames.read(0, frames.num_frames), rate=frames.rate)

    made = share_out(len(clips), generated)
    found = [frame_difference_events(frames.pixels, frames.rate).tolist() for frames in made]
    if out is not None:
        for index, frames in enumerate(made[:NUM_SAMPLES]):
            save_contact_sheet(frames.pixels, out / "samples" / f"picture-{index}.png")
    figures = distances.between((frames, true_pictures(system, clips, index)) for index, frames in enumerate(made))
    return {"picture_f1_200ms": onset_summary(_event_times(clips), found, 0.2).f1} | figures


@_unless_empty
def both(system: System, clips: ClipStore, out: Path | None) -> dict[str, float]:
    """F1 of changes in pictures against onsets of sounds, where both are generated jointly."""
    onsets, changes = generate_jointly(
        system, clips, len(clips), SampleConfig(steps=16, guidance=3.0, shift=1.0), out=out
    )
    return {"both_f1_200ms": onset_summary(onsets, changes, 0.2).f1}


def generate_jointly(
    system: System, clips: ClipStore, count: int, config: SampleConfig, *, out: Path | None = None
) -> tuple[list[NDArray[np.float64]], list[NDArray[np.float64]]]:
    """Generate sounds and pictures from the captions of some clips; returns onsets and changes, in seconds."""
    captions = [labels.caption for labels in clips.labels[:count]]
    sampler = JointSampler(system, config)
    made = share_out(len(captions), lambda index: sampler.generate(Prompt(text=captions[index]), index))
    sounds, pictures = [sound.samples[0] for sound, _ in made], [frames for _, frames in made]
    rate = system.config.mel.sample_rate
    if out is not None:
        save_sounds(system, sounds[:NUM_SAMPLES], None, out, "both")
        for index in range(min(count, NUM_SAMPLES)):
            save_contact_sheet(pictures[index].pixels, out / "samples" / f"both-{index}.png")
    onsets = [detect_onsets(np.nan_to_num(samples), rate).times_s for samples in sounds]
    return onsets, [frame_difference_events(frames.pixels, frames.rate) for frames in pictures]
