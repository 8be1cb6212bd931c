"""Sound for pictures (V2A, section 3.3, inference), of any length, window by window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from avlink.core.clock import to_index
from avlink.core.features import FeatureExtractor
from avlink.core.hit_changes import hit_changes
from avlink.core.sampling import SampleConfig
from avlink.core.sound import FittedSound, SpooledSound
from avlink.core.values import (
    OnStep,
    PictureSpec,
    SoundRequest,
    SoundSource,
)
from avlink.engine.avlink import AVLink
from avlink.engine.extracted import picture_features
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.solver import guide, rescale, solve
from avlink.engine.nn.controller import hit_curve
from avlink.engine.nn.dit import Stream
from avlink.engine.pixels import lower_frame_rate, to_pixels
from avlink.engine.sampling.alignment import make_guide
from avlink.engine.sampling.base import (
    KEPT_WINDOWS,
    SHORTEST_S,
    Sampler,
    check_extractor,
    repeat,
    seeded_noise,
    stack_trunks,
)
from avlink.engine.sampling.local import BEFORE_S, TAIL_S, Patch, PatchedSound, find_patch
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.windows import Window, blend, plan_windows

_KNEE = 0.7
"""Full scale begins to bend here; quieter samples stay as they are."""


class SoundSampler(Sampler):
    """A `SoundGenerator` on a `System`."""

    def __init__(self, system: System, config: SampleConfig, extractor: FeatureExtractor | None = None) -> None:
        """Link the model for V2A; `extractor` is needed if the model reads features instead of pixels.

        Raises InputError if it is missing then, and for guidance by an aligner that the model has not.
        """
        super().__init__(system, config)
        self.guide = make_guide(system, config)
        """The guidance by an aligner, or None."""
        self.model: AVLink | None = system.linked("audio") if config.use_fusion else None
        self.following: AVLink | None = system.linked("audio", with_hits=True) if config.use_fusion else None
        """The model of requests with hits."""
        self.extracted, self.extractor = system.config.fusion.extracted_of("pictures"), extractor
        if config.use_picture:
            check_extractor(self.extracted, extractor)
        motion, picture = system.config.motion, system.config.picture
        self.factor = 1 if motion is None else motion.fps // picture.fps
        """Frames that are read for each frame of the video backbone: the motion stem sees more of them."""
        self.sample_rate = system.config.mel.sample_rate
        self.picture = PictureSpec(rate=Fraction(picture.fps * self.factor), width=picture.width, height=picture.height)

    @torch.no_grad()
    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> tuple[SoundSource, ...]:
        """Generate one sound per request; see `avlink.core.values.SoundGenerator`."""
        made, steps = [], len(self.plan)
        for number, request in enumerate(requests):
            # `number` is bound now: a closure would see its last value.
            def tell(done: int, _: int, number: int = number) -> None:
                if on_step is not None:
                    on_step(number * steps + done, len(requests) * steps)

            made.append(self._generate_locally(request, tell))
        return tuple(made)

    def _generate_locally(self, request: SoundRequest, on_step: OnStep) -> SoundSource:
        """Return the sound of a request; only what its hits change is other than with its `base_hits`."""
        if request.hits is None or request.base_hits is None or self.system.controller is None:
            return self._generate_one(request, on_step)
        base = self._generate_one(replace(request, hits=request.base_hits), on_step)
        patches: tuple[Patch, ...] = ()
        for change in hit_changes(request.base_hits, request.hits, apart_s=TAIL_S + BEFORE_S):
            other = self._generate_one(replace(request, hits=change.hits), on_step)
            patches = (*patches, find_patch(base, other, change.first_s, change.last_s))
        return PatchedSound(base, patches) if patches else base

    def _generate_one(self, request: SoundRequest, on_step: OnStep) -> SoundSource:
        duration_s = max(float(request.duration_s), SHORTEST_S)
        # -int(-x // 1) rounds up: tokens cover the last, partly used one too.
        tokens = -int(-duration_s * self.rate // 1)
        windows = plan_windows(tokens / self.rate, self.window_s)
        a_0 = seeded_noise((tokens, self.system.config.vae.latent_channels), request.seed, 0).to(self.device)
        prompt, scene = self._texts(request.prompt.text)
        negative = self._text("audio", request.prompt.negative)
        # Computed once, not at every step: neither depends on the flow time.
        motion = [None if self._hits_alone(request) else self._motion(request, w) for w in windows]
        features = [self._features(request, w) for w in windows]
        hits = [self._hits(request, w) for w in windows]
        fitting = [] if self.guide is None else [self.guide.see(self._pixels(request, w)) for w in windows]
        model = self.model if request.hits is None else self.following
        trunks = self._trunks(model, request, windows, scene)

        def conditional(stacked: Tensor, t: float, part: list[int]) -> Tensor:
            count = len(part)
            times = {"t_a": self._times(t, count), "t_v": self._times(self.config.t_condition, count)}
            words = repeat(prompt, count)
            if model is None:
                return self.system.audio(stacked, times["t_a"], words)
            curves = self._stacked([hits[i] for i in part], stacked.shape[1])
            if not self.config.use_picture:
                return model("audio", stacked, None, **times, text_a=words, hits=curves).audio
            pictures, trunk = None, stack_trunks([trunks[i] for i in part]) if trunks else ()
            if self.config.use_backbone and not trunk:
                pictures = torch.stack([self._noisy_pixels(request, windows[i]) for i in part])
            seen = [motion[i] for i in part]
            made = model(
                "audio",
                stacked,
                pictures,
                **times,
                text_a=words,
                text_v=repeat(scene, count),
                motion=None if seen[0] is None else torch.stack([m for m in seen if m is not None]),
                features=None if self.extracted is None else torch.stack([features[i] for i in part]),
                hits=curves,
                trunk=trunk,
            )
            return made.audio

        def unconditional(stacked: Tensor, t: float) -> Tensor:
            # Picture, motion and prompt are dropped together (appendix C.2); a negative prompt replaces the prompt.
            # A pass of its own, not half of a doubled batch: without picture there are fewer tokens, and the video
            # backbone does not run.
            count = len(stacked)
            t_a, t_v, words = (
                self._times(t, count),
                self._times(self.config.t_condition, count),
                repeat(negative, count),
            )
            if model is None:
                return self.system.audio(stacked, t_a, words)
            return model("audio", stacked, None, t_a=t_a, t_v=t_v, text_a=words).audio

        def of_words(stacked: Tensor, t: float) -> Tensor:
            """Return what the prompt adds to the velocity of the audio backbone, which knows no picture."""
            t_a, count = self._times(t, len(stacked)), len(stacked)
            asked, avoided = (self.system.audio(stacked, t_a, repeat(text, count)) for text in (prompt, negative))
            return asked - avoided

        # Guidance by the picture is in the weights of a reflowed model, and there is little of the words in it.
        guided = self.config.guidance != 1
        by_words = self.config.text_guidance if request.prompt.text or request.prompt.negative else 1.0

        def velocity(a_t: Tensor, t: float) -> Tensor:
            weight = self._guidance(t, None if guided else by_words)

            def of_windows(stacked: Tensor, part: list[int]) -> Tensor:
                with self._precision():
                    made = keep = conditional(stacked, t, part).float()
                times = self._times(t, len(part))
                # A weight of 1 leaves nothing of the other.
                if weight != 1:
                    with self._precision():
                        drop = unconditional(stacked, t).float() if guided else keep - of_words(stacked, t).float()
                    made = guide(keep, drop, weight)
                    made = rescale(made, keep, stacked, times, self.config.guidance_rescale)
                if self.guide is None:
                    return made
                return self.guide.guided(made, stacked, times, torch.stack([fitting[i] for i in part]))

            return self._over_windows(a_t, windows, of_windows)

        a_1 = solve(velocity, a_0, self.plan, on_step)
        # A generator: the sound is decoded while it is spooled, so that its length does not fill the memory.
        blocks = (soft_limited(block).float().cpu().numpy() for block in self.system.codec.decode_blocks(a_1[None]))
        made = SpooledSound(blocks, sample_rate=self.sample_rate, channels=1)
        # Tokens are longer than samples, so the sound is cut to the exact length that was asked for.
        return FittedSound(made, to_index(request.duration_s, self.sample_rate))

    def _trunks(
        self, model: AVLink | None, request: SoundRequest, windows: Sequence[Window], scene: TextEmbeddings
    ) -> list[tuple[Stream, ...]]:
        """Return the part of each window's video stream that all steps share; empty for clips of many windows."""
        config = self.config
        reads = config.use_picture and config.use_backbone and self.extracted is None
        if model is None or not reads or len(windows) > KEPT_WINDOWS:
            return []
        time = self._times(config.t_condition, 1)
        with self._precision():
            return [model.trunk("audio", self._noisy_pixels(request, w)[None], time, scene) for w in windows]

    def _over_windows(
        self,
        a_t: Float[Tensor, "tokens channels"],
        windows: Sequence[Window],
        velocity: Callable[[Tensor, list[int]], Tensor],
    ) -> Float[Tensor, "tokens channels"]:
        """Return the blended velocity of all windows of one clip; windows of equal length share forward passes."""
        starts = [round(w.start_s * self.rate) for w in windows]
        # Nearly rounded up: a window is a whole number of tokens, up to an error of floating point.
        lengths = [
            min(a_t.shape[0] - start, round(w.duration_s * self.rate + 0.499))
            for w, start in zip(windows, starts, strict=True)
        ]
        # Placeholders, each of which is replaced below.
        pieces: list[Tensor] = [a_t] * len(windows)
        for length in dict.fromkeys(lengths):
            chosen = [index for index, other in enumerate(lengths) if other == length]
            for at in range(0, len(chosen), self.config.max_windows):
                part = chosen[at : at + self.config.max_windows]
                stacked = torch.stack([a_t[starts[i] : starts[i] + length] for i in part])
                for index, piece in zip(part, velocity(stacked, part), strict=True):
                    pieces[index] = piece
        return blend(pieces, starts, a_t.shape[0])

    def _frames(self, request: SoundRequest, window: Window) -> Tensor:
        """Return the window's frames at the motion rate, (frames, 3, height, width); the clip's last one is held."""
        rate = self.fps * self.factor
        start = window.start_s * rate
        count = self.system.config.picture.frames_of(window.duration_s) * self.factor
        source = request.frames
        # A clip may be shorter than its last window: at least one frame is read, and held.
        # A window may also begin after the last frame, as tokens round a duration up.
        read = source.read(min(start, source.num_frames - 1), min(start + count, source.num_frames))
        pixels = to_pixels(torch.from_numpy(np.ascontiguousarray(read))[None])[0].to(self.device)
        missing = count - pixels.shape[0]
        return torch.cat((pixels, pixels[-1:].expand(missing, -1, -1, -1))) if missing > 0 else pixels

    def _pixels(self, request: SoundRequest, window: Window) -> Tensor:
        """Return the window's frames at the rate of the video backbone."""
        return lower_frame_rate(self._frames(request, window)[None], self.factor)[0]

    def _hits_alone(self, request: SoundRequest) -> bool:
        """Return True if hits alone say when something sounds."""
        controller = self.system.config.controller
        if controller is None or not controller.alone or request.hits is None:
            return False
        known = request.known_s
        return known is None or (known[0] <= 0 and known[1] >= request.duration_s)

    def _motion(self, request: SoundRequest, window: Window) -> Tensor | None:
        """Return the motion tokens of a window: those of the stem, else those that its features tell, if any do."""
        config, tokens = self.config, None
        if self.system.motion is None or self.model is None or not config.use_picture:
            return None
        if config.use_motion:
            tokens = self.system.motion(self._frames(request, window)[None]).tokens[0]
        elif self.system.readout is not None and config.use_backbone:
            pixels = self._noisy_pixels(request, window)[None]
            tokens = self.system.motion_tokens(pixels, self._times(config.t_condition, 1))[0]
        return tokens

    def _hits(self, request: SoundRequest, window: Window) -> Tensor | None:
        """Return the curve of a window's hits, (tokens, channels); None where the request or the model has none."""
        controller = self.system.config.controller
        if controller is None or request.hits is None:
            return None
        # One token more than any rounding of the window's length gives; the rest is cut off.
        tokens = -int(-window.duration_s * self.rate // 1) + 1
        curve = hit_curve(
            request.hits,
            controller,
            tokens=tokens,
            tokens_per_second=self.rate,
            start_s=float(window.start_s),
            known_s=None if request.known_s is None else (float(request.known_s[0]), float(request.known_s[1])),
        )
        return curve.to(self.device)

    @staticmethod
    def _stacked(curves: Sequence[Tensor | None], tokens: int) -> Tensor | None:
        found = [curve[:tokens] for curve in curves if curve is not None]
        return torch.stack(found) if found else None

    def _features(self, request: SoundRequest, window: Window) -> Tensor:
        """Return the extractor's features of the window, (pictures, dim); empty for a model that reads none."""
        if self.extracted is None or self.extractor is None or not self.config.use_picture:
            return torch.empty(0)
        # Extractors take bytes: the inverse of `to_pixels`, exactly.
        pixels = ((self._frames(request, window) + 1) * 127.5).round().to(torch.uint8)
        shown = pixels.permute(0, 2, 3, 1).cpu().numpy()
        return picture_features(self.extractor, shown, Fraction(self.fps * self.factor), self.extracted).to(self.device)

    def _noisy_pixels(self, request: SoundRequest, window: Window) -> Tensor:
        """Return V_tv, the conditioning pictures at their fixed flow time: mostly data, a little noise.

        Clips of many windows make them anew at every step: kept, they would need memory for the whole clip.
        """
        v_1 = self._pixels(request, window)
        # Of the request's seed and the window's start, so that every step sees the same noise.
        v_0 = seeded_noise(tuple(v_1.shape), request.seed, 1 + window.start_s).to(self.device)
        return sample_path(v_0[None], v_1[None], self._times(self.config.t_condition, 1)).x_t[0]


def soft_limited(sound: Float[Tensor, "channels samples"]) -> Float[Tensor, "channels samples"]:
    """Bend what is above 0.7 towards 1, at most 1: Vocos and Griffin-Lim do not bound their sound.

    Each sample alone, so that a change of one hit leaves all others as they were.
    """
    over = (sound.abs() - _KNEE).clamp(min=0)
    return torch.sign(sound) * (sound.abs().clamp(max=_KNEE) + (1 - _KNEE) * torch.tanh(over / (1 - _KNEE)))
