"""The built-in backend: AV-Link bundles as `fusion-v2a` and `fusion-a2v`, and the built-in spotters.

Imports torch when it loads weights.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from avlink import (
    LEARNED,
    PICTURES,
    SOUND,
    Options,
    SolverName,
    bundle_fingerprint,
    bundle_sound,
    digest,
    find_bundle,
    hookimpl,
)
from avlink.hooks import Backend, Spotter
from avlink_fusion.spotter_options import FlowOptions, LearnedOptions, MotionOptions, PeakOptions, StemOptions

if TYPE_CHECKING:
    from avlink import PictureGenerator, SampleConfig, SoundGenerator
    from avlink.hooks import ReadyExtractor

_CODE_VERSION = 5
"""Raise it when the same weights and options sound different."""


class FusionOptions(Options):
    """The bundle and the settings of its sampler."""

    model: str = "builtin"
    """A shipped bundle's name, or the folder of one."""
    solver: SolverName = SOUND.solver
    """`euler`, as in the paper, or `heun`, `ab2` and `dpmpp_2m` of second order; a step of `heun` takes twice as
    long."""
    bf16: bool = False
    """Run the model in bfloat16, for GPUs and processors that compute in it; others imitate it slowly."""
    max_windows: int | None = Field(default=None, ge=1)
    """Windows of a long clip in one batch: more need more memory. Left out: 2 on a CPU, which gains little from larger
    batches, and 8 on a GPU."""
    extractor: dict[str, Any] = Field(default_factory=dict)
    """Options of the extractor that replaces the backbone of what is given, for models with one: its checkpoint."""

    def windows_on(self, device: str) -> int:
        """Return the number of windows in one batch on `device`."""
        return self.max_windows or (2 if device == "cpu" else 8)


class SoundOptions(FusionOptions):
    """Options of `fusion-v2a`, video to audio."""

    steps: int | None = Field(default=None, ge=1, le=1000)
    """Steps of the solver; the paper takes 64. Left out: those that the model was made for, as with `guidance`,
    `text_guidance` and `shift`."""
    guidance: float | None = Field(default=None, ge=0, le=50)
    """Classifier-free guidance; 1 is none, the paper takes 5."""
    text_guidance: float | None = Field(default=None, ge=0, le=50)
    """Weight of guidance by prompt and negative prompt alone, as the audio backbone reads them without picture, if
    `guidance` is 1; 1 is none."""
    shift: float | None = Field(default=None, ge=0.01, le=100)
    """Shift of the steps towards noise (Esser et al. 2024), where prompts are obeyed or not. 1 is none, as in the
    paper."""
    guidance_rescale: float = Field(default=SOUND.guidance_rescale, ge=0, le=1)
    """Share by which guided sound is brought back to its level and dynamics without guidance (Lin et al. 2024): 0 gives
    sounds near full scale, 1 quiet ones."""
    alignment: float = Field(default=SOUND.alignment, ge=0, le=50)
    """Weight of guidance towards sound that fits the picture, by the model's aligner; 0 is none."""
    alignment_at: Literal["predicted", "noisy"] = SOUND.alignment_at
    """Sound that the aligner hears at each step: what the step predicts (Seeing-and-Hearing), or its noisy latents
    (Diff-Foley)."""
    t_video: float | None = Field(default=None, gt=0, le=1)
    """Flow time at which the picture is read; left out: that which the model was trained with (the paper's is 0.96)."""
    video_backbone: bool = True
    """Read pictures by the video backbone, as the paper does. Without it a step takes a third less, and what is seen is
    what the motion stem and the spotter see; for models with a motion stem."""
    motion_stem: bool = True
    """Read motion from pixels by the motion stem. Without it sound knows what the video backbone's features tell, as in
    the paper; needs a model with a readout to tell much."""
    spot: bool = True
    """Follow hits that motion shows on clips whose hits are not known, where the motion stem is not sure of what it
    sees, as on film. It needs a model with a stem and a temporal controller; without, others stay as they are."""
    stereo: bool = False
    """Place sound between left and right where the picture has what sounds: stereo stems. Mono without."""

    def of_model(self, own: SampleConfig) -> dict[str, Any]:
        """Return the settings that are the model's `own` where they are left out."""
        names = ("steps", "guidance", "text_guidance", "shift")
        given = {name: getattr(self, name) for name in names}
        return {name: getattr(own, name) if value is None else value for name, value in given.items()}


class PictureOptions(FusionOptions):
    """Options of `fusion-a2v`, audio to video."""

    steps: int = Field(default=PICTURES.steps, ge=1, le=1000)
    """Steps of the solver; the paper takes 64."""
    guidance: float = Field(default=PICTURES.guidance, ge=0, le=50)
    t_audio: float | None = Field(default=None, gt=0, le=1)
    """Flow time at which the sound is read; left out: that which the model was trained with (the paper's is 0.8)."""
    shift: float = Field(default=PICTURES.shift, ge=0.01, le=100)
    """Shift of the steps towards noise (Esser et al. 2024), where it is decided what pictures show. 1 is none, as in
    the paper."""


def fingerprint(options: FusionOptions) -> str:
    """Return a digest of the weights and the options; the path of the bundle is not part of it."""
    folder = find_bundle(options.model)
    chosen, named = options.model_dump(exclude={"model", "max_windows", "extractor"}), bundle_fingerprint(folder)
    if isinstance(options, SoundOptions):
        chosen |= options.of_model(bundle_sound(folder))
        if chosen["guidance"] != 1:
            # It says nothing then.
            del chosen["text_guidance"]
    # A built-in extractor takes no options. Without any, no bundle is read, which would import torch.
    ready = _extractor(options) if options.extractor else None
    return digest([_CODE_VERSION, named, chosen, *([] if ready is None else [ready.fingerprint()])])


def _extractor(options: FusionOptions) -> ReadyExtractor | None:
    """Return the extractor that replaces the backbone of what is given, or None."""
    from avlink import fusion_extractor, read_bundle

    config = read_bundle(find_bundle(options.model)).config
    if config.fusion.extracted is None:
        return None
    medium: Literal["pictures", "sound"] = "pictures" if isinstance(options, SoundOptions) else "sound"
    return fusion_extractor(config, {config.fusion.extracted.name: options.extractor}, medium=medium)


def load_sound(options: SoundOptions, device: str) -> SoundGenerator:
    """Return the V2A generator of a bundle."""
    from avlink import V2A, SoundSampler, load_system, read_bundle
    from avlink_fusion.panning import StereoGenerator
    from avlink_fusion.spotting import SpottingGenerator, load_motion

    bundle = read_bundle(find_bundle(options.model))
    # An aligner alone can tie the audio backbone to the picture (Seeing-and-Hearing), without any fusion.
    linked = options.alignment == 0 or not {"fusion", "fusion_v2a"}.isdisjoint(bundle.components)
    wanted = {*V2A, *(() if options.alignment == 0 else ("aligner",))}
    system = load_system(bundle, wanted if linked else wanted & set(bundle.components), device)
    own = bundle.sound
    settings = replace(
        own,
        **options.of_model(own),
        solver=options.solver,
        guidance_rescale=options.guidance_rescale,
        alignment=options.alignment,
        alignment_at=options.alignment_at,
        use_fusion=linked,
        t_condition=options.t_video or own.t_condition,
        bf16=options.bf16,
        max_windows=options.windows_on(device),
        use_backbone=options.video_backbone,
        use_motion=options.motion_stem,
    )
    ready = _extractor(options)
    sampler = SoundSampler(system, settings, None if ready is None else ready.load(device))
    generator = StereoGenerator(sampler) if options.stereo else sampler
    config = bundle.config
    # A stem that was trained to spot may see pictures of another size than the model does.
    other_stem = config.spotter is not None and config.flow_spotter is None
    if not options.spot or config.controller is None or config.motion is None or other_stem:
        return generator
    return SpottingGenerator(generator, load_motion(MotionOptions(model=options.model), device))


def load_picture(options: PictureOptions, device: str) -> PictureGenerator:
    """Return the A2V generator of a bundle."""
    from avlink import A2V, PictureSampler, SampleConfig, load_system, read_bundle

    bundle = read_bundle(find_bundle(options.model))
    system = load_system(bundle, A2V, device)
    config = SampleConfig(
        steps=options.steps,
        solver=options.solver,
        guidance=options.guidance,
        shift=options.shift,
        t_condition=options.t_audio or bundle.conditioning.t_audio,
        bf16=options.bf16,
        max_windows=options.windows_on(device),
    )
    ready = _extractor(options)
    return PictureSampler(system, config, None if ready is None else ready.load(device))


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer both directions."""
    return [
        Backend(name="fusion-v2a", direction="v2a", options=SoundOptions, fingerprint=fingerprint, load=load_sound),
        Backend(name="fusion-a2v", direction="a2v", options=PictureOptions, fingerprint=fingerprint, load=load_picture),
    ]


@hookimpl
def avlink_spotters() -> list[Spotter]:
    """Offer the networks of the built-in model, peaks of motion, and what was learned from a user's footage."""
    place, learned = "avlink_fusion.spotters", "avlink_fusion.learned"
    return [
        Spotter(
            name="motion",
            options=MotionOptions,
            fingerprint="avlink_fusion.spotting:motion_fingerprint",
            load="avlink_fusion.spotting:load_motion",
        ),
        Spotter(
            name="motion-stem", options=StemOptions, fingerprint=f"{place}:stem_fingerprint", load=f"{place}:load_stem"
        ),
        Spotter(
            name="motion-flow", options=FlowOptions, fingerprint=f"{place}:flow_fingerprint", load=f"{place}:load_flow"
        ),
        Spotter(
            name="motion-peaks",
            options=PeakOptions,
            fingerprint=f"{place}:peak_fingerprint",
            load=f"{place}:load_peaks",
            on_device=False,
        ),
        Spotter(
            name=LEARNED,
            options=LearnedOptions,
            fingerprint=f"{learned}:learned_fingerprint",
            load=f"{learned}:load_learned",
        ),
    ]
