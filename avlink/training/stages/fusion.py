"""The stage of the Fusion Blocks between the frozen backbones: one direction, or several tasks at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from avlink.core.errors import InputError
from avlink.core.recipe.stages import FUSION_RATES, ONE_WAY, Conditioning, Rates, Task
from avlink.engine.avlink import Direction
from avlink.engine.flow.loss import flow_matching_loss, motion_loss
from avlink.engine.flow.path import sample_path
from avlink.engine.flow.schedule import logit_normal
from avlink.engine.nn.controller import hit_curve
from avlink.engine.nn.motion import Motion
from avlink.engine.pixels import lower_frame_rate
from avlink.engine.system import System
from avlink.engine.text.encoder import TextEmbeddings
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels, hits_of
from avlink.training.data.precomputed import Precomputed
from avlink.training.objectives import motion_losses, onset_loss
from avlink.training.stages.inputs import (
    Validate,
    augmented_pixels,
    common,
    device_of,
    drop_text,
    frames_per_picture,
    jitter_colour,
    no_validation,
    noise_like,
    random_count,
)
from avlink.training.stages.onset_readout import ONSETS_A_SECOND, OnsetReadout
from avlink.training.stages.task_shares import task_shares

_DIRECTIONS: Mapping[Task, Direction] = {"v2a": "audio", "a2v": "video", "both": "both"}
_COMPONENTS: Mapping[str, str] = {"reflow_v2a": "fusion_v2a"}
"""The fusion that a stage trains, where it is not named alike."""
_PURE_NOISE = 0.5
"""Share of clips whose sound is noise alone in steps in which onsets are read from the video stream."""
_ANONYMOUS = 0.3
"""Share of clips whose hits are of no kind: people often mark moments alone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The same stretch of some clips: `pixels` at the stored rate, `slow` at the backbone's."""

    pixels: Tensor
    slow: Tensor
    latents: Tensor
    features: Tensor | None
    labels: list[ClipLabels]
    start_s: int

    def __getitem__(self, rows: slice) -> Batch:
        return Batch(
            pixels=self.pixels[rows],
            slow=self.slow[rows],
            latents=self.latents[rows],
            features=None if self.features is None else self.features[rows],
            labels=self.labels[rows],
            start_s=self.start_s,
        )

    def __len__(self) -> int:
        return len(self.labels)


class FusionStage:
    """Fusion Blocks (eq. 5), and the motion stem with them.

    `tasks` divide every batch: v2a and a2v keep the conditioning side at its fixed flow time, "both" generates both
    sides. The backbones stay frozen; with `finetune` the one of the generated side learns too (table 2, w/FT), with
    `untrained` both do. Without `train_motion` the motion stem stays frozen as well. Flow times are logit-normal
    (appendix D.1). `rates` give the share of texts that are dropped and of clips without any condition, for guidance
    (C.1, C.2). One step in five (`shorter`) trains on a shorter stretch, so that short clips work. `features` (clips,
    rows, values) are an extractor's, where the model reads those instead of the conditioning backbone's.
    """

    shorter = 0.2

    def __init__(
        self,
        system: System,
        clips: ClipStore,
        latents: Precomputed,
        *,
        name: str,
        tasks: Sequence[Task],
        conditioning: Conditioning | None = None,
        rates: Rates = FUSION_RATES,
        finetune: bool = False,
        untrained: bool = False,
        train_motion: bool = True,
        motion_weight: float = 0.0,
        onset_weight: float = 0.0,
        distill: float = 0.0,
        features: Precomputed | None = None,
        validate: Validate = no_validation,
    ) -> None:
        self.system, self.clips, self.latents, self.features = system, clips, latents, features
        self.name, self.tasks, self.validate = name, tuple(tasks), validate
        self.conditioning, self.rates, self.device = conditioning or Conditioning(), rates, device_of(system)
        # A fusion for one direction is a component of its own; all others share "fusion".
        component = _COMPONENTS.get(name, name) if name in ONE_WAY else "fusion"
        self.model = system.linked(_DIRECTIONS[ONE_WAY.get(name, "both")], with_hits=name == "fusion_hits")
        self.trained: dict[str, nn.Module] = {component: self.model.fusion}
        self.frozen: tuple[nn.Module, ...] = ()
        self.trained |= {
            side: getattr(system, side)
            for side, task in (("audio", "v2a"), ("video", "a2v"))
            if untrained or (finetune and {task, "both"} & set(self.tasks))
        }
        self.motion_weight, self.onset_weight = motion_weight, onset_weight if "v2a" in self.tasks else 0.0
        self.distill = distill
        if self.onset_weight:
            config = system.config
            if self.model.extracted is not None or config.fusion.injection in ("direct", "text", "adapter"):
                raise InputError(
                    f"stages.{name}.onset_weight reads the video stream between Fusion Blocks, which this model.fusion "
                    "has not; leave it out"
                )
            # None for the first block: nothing that is trained comes before it.
            self.trained["onsets"] = nn.ModuleList(
                OnsetReadout(self.model.fusion.video_dim, config.picture) for _ in range(config.fusion.blocks - 1)
            ).to(self.device)
        self.use_motion = "v2a" in self.tasks and system.motion is not None
        self.train_motion = self.use_motion and train_motion
        if self.train_motion and system.motion is not None:
            self.trained["motion"] = system.motion
            self.frozen = system.motion.appearance.learned_alone
        self.controller = self.model.controller if "v2a" in self.tasks else None
        if self.controller is not None:
            self.trained["controller"] = self.controller
        self.num_clips, self.factor = len(clips), frames_per_picture(system, clips)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch_of(indices, generator)
        losses: dict[str, Tensor] = {}
        # Plain generators of tests and measurements have no turn.
        shares, start = task_shares(len(batch), len(self.tasks), getattr(generator, "turn", 0)), 0
        for task, share in zip(self.tasks, shares, strict=True):
            part = batch[start : start + share]
            start += share
            if share == 0:
                # The micro-batch has fewer clips than tasks: another turn has clips for this one.
                continue
            if task == "v2a":
                losses |= self._v2a(part, generator)
            elif task == "a2v":
                losses |= self._a2v(part, generator)
            else:
                losses |= self._both(part, generator)
        # Every loss counts the same, however many clips its task has.
        flow = torch.stack([value for name, value in losses.items() if name.startswith("flow")]).mean()
        # The flow loss hardly falls while synchrony is learned: the motion stem needs losses of its own.
        total = flow + 0.5 * losses.get("onset", 0) + 0.25 * losses.get("class", 0)
        total = total + self.motion_weight * losses.get("motion_v", 0) + self.onset_weight * losses.get("seen", 0)
        total = total + self.distill * losses.get("stem", 0)
        return losses | {"flow": flow, "total": total}

    def _v2a(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        count, rates = len(batch), self.rates
        t_a, t_v = (
            self._sampled_times(count, generator),
            self._condition_times(self.conditioning.t_video, count, generator),
        )
        # The first rows: clips come in random order, and a slice needs no index.
        gone = random_count(count, rates.no_condition, generator)
        # The same on all ranks; without the option nothing is drawn, as in trainings from before it existed.
        dropped = bool(rates.motion_drop) and torch.rand((), generator=common(generator)).item() < rates.motion_drop
        # Onsets are read where the picture alone tells them: in steps without the stem, of rows whose sound is noise.
        read = bool(self.onset_weight) and (dropped or not self.use_motion)
        blind = gone + (random_count(count - gone, _PURE_NOISE, generator) if read else 0)
        t_a[gone:blind] = 0.0
        audio = sample_path(noise_like(batch.latents, generator), batch.latents, t_a)
        video = sample_path(noise_like(batch.slow, generator), batch.slow, t_v)
        captions = [label.caption for label in batch.labels]
        text_a = self.words_of(batch, generator)
        text_v = drop_text(captions, rates.other_text_drop, generator)
        text_a[:gone] = [""] * gone
        losses: dict[str, Tensor] = {}
        motion = tokens = None
        if self.use_motion and self.system.motion is not None and (self.train_motion or self.distill or not dropped):
            with torch.set_grad_enabled(self.train_motion):
                seen = self.system.motion(jitter_colour(batch.pixels, generator))
            # The stem sees all clips, since its own losses need no fusion; the tokens of the others are dropped.
            tokens = seen.tokens[gone:]
            motion = None if dropped else tokens
            if self.train_motion:
                losses |= self._motion_losses(seen, batch)
        hits = None
        if self.controller is not None:
            tokens_a = batch.latents.shape[1]
            start_s, drop = float(batch.start_s), rates.hits_drop
            hits = self.hit_curves(batch.labels[gone:], tokens_a, start_s, generator, drop=drop)
        made = []
        if gone:
            times = {"t_a": t_a[:gone], "t_v": t_v[:gone]}
            made.append(
                self.model("audio", audio.x_t[:gone], None, **times, text_a=self._text("audio", text_a[:gone])).audio
            )
        if gone < count:
            run = partial(
                self.model,
                "audio",
                audio.x_t[gone:],
                video.x_t[gone:],
                t_a=t_a[gone:],
                t_v=t_v[gone:],
                text_a=self._text("audio", text_a[gone:]),
                text_v=self._text("video", text_v[gone:]),
                features=None if batch.features is None else batch.features[gone:],
                hits=hits,
            )
            out = run(motion=motion)
            made.append(out.audio)
            if dropped and self.distill and tokens is not None:
                with torch.no_grad():
                    told = run(motion=tokens.detach()).audio
                losses["stem"] = (out.audio.float() - told.float()).square().mean()
            if read:
                losses["seen"] = self._seen_onsets(out.seen, batch, gone, blind)
        return losses | {"flow_a": flow_matching_loss(torch.cat(made), audio)}

    def _seen_onsets(self, seen: Sequence[Tensor], batch: Batch, gone: int, blind: int) -> Tensor:
        """Return the loss of onsets that are read from the video stream of rows [gone, blind), before each block."""
        # The picture of an edited clip shows other events than those that it is labelled with.
        rows = [row for row in range(gone, blind) if not batch.labels[row].edited]
        labels = [batch.labels[row] for row in rows]
        # A batch without such rows has this loss too, so that all ranks report the same names and share gradients.
        chosen = [row - gone for row in rows] or slice(0, 1)
        readouts = self.trained["onsets"]
        assert isinstance(readouts, nn.ModuleList)
        logits = [readout(stream[chosen]) for readout, stream in zip(readouts, seen[1:], strict=True)]
        if not rows:
            return torch.stack([each.sum() for each in logits]).sum() * 0
        return torch.stack([onset_loss(each, labels, ONSETS_A_SECOND, float(batch.start_s)) for each in logits]).mean()

    def _motion_losses(self, seen: Motion, batch: Batch) -> dict[str, Tensor]:
        assert self.system.motion is not None
        stem = self.system.motion.config
        # The labels of edited clips tell of their sound, and the stem sees pictures.
        true = [row for row, label in enumerate(batch.labels) if not label.edited]
        if not true:
            return {}
        if len(true) < len(batch):
            seen = Motion(
                tokens=seen.tokens[true], onset_logits=seen.onset_logits[true], class_logits=seen.class_logits[true]
            )
        labels = [batch.labels[row] for row in true]
        return motion_losses(seen, labels, stem.fps, stem.classes, shift_s=float(batch.start_s))

    def words_of(self, batch: Batch, generator: torch.Generator) -> list[str]:
        """Return the captions of clips as the prompts of their sound, the share `text_drop` of them empty."""
        kept = drop_text([label.caption for label in batch.labels], self.rates.text_drop, generator)
        # Words alone tell what sounds in a named clip: without them it would teach to ignore what the picture shows.
        return [label.caption if label.named else text for label, text in zip(batch.labels, kept, strict=True)]

    def hit_curves(
        self, labels: Sequence[ClipLabels], tokens: int, start_s: float, generator: torch.Generator, *, drop: float
    ) -> Tensor:
        """Return the curves of the true hits of clips, (clips, tokens, values); zeros for the share `drop`."""
        assert self.system.config.controller is not None
        rows = []
        for label, dropped, anonymous in zip(
            labels,
            torch.rand(len(labels), generator=generator).tolist(),
            torch.rand(len(labels), generator=generator).tolist(),
            strict=True,
        ):
            found = hits_of(label)
            if anonymous < _ANONYMOUS:
                found = tuple(replace(hit, kind="") for hit in found)
            curve = hit_curve(
                found,
                self.system.config.controller,
                tokens=tokens,
                tokens_per_second=self.system.config.tokens_per_second,
                start_s=start_s,
            )
            # The picture of an edited clip is wrong about its sound: without hits it would teach to ignore pictures.
            rows.append(curve if label.edited or dropped >= drop else torch.zeros_like(curve))
        return torch.stack(rows).to(self.device)

    def _a2v(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        count, rates = len(batch), self.rates
        t_v, t_a = (
            self._sampled_times(count, generator),
            self._condition_times(self.conditioning.t_audio, count, generator),
        )
        gone = random_count(count, rates.no_condition, generator)
        # A clip without its condition gets pure noise, which is flow time 0.
        t_a[:gone] = 0.0
        audio = sample_path(noise_like(batch.latents, generator), batch.latents, t_a)
        video = sample_path(noise_like(batch.slow, generator), batch.slow, t_v)
        captions = [label.caption for label in batch.labels]
        text_v = drop_text(captions, rates.text_drop, generator)
        text_a = drop_text(captions, rates.other_text_drop, generator)
        text_v[:gone], text_a[:gone] = [""] * gone, [""] * gone
        features = batch.features
        if features is not None:
            # Features are not noised: zeros stand for a missing sound, as in Diff-Foley.
            features = torch.cat((torch.zeros_like(features[:gone]), features[gone:]))
        out = self.model(
            "video",
            audio.x_t,
            video.x_t,
            t_a=t_a,
            t_v=t_v,
            text_a=self._text("audio", text_a),
            text_v=self._text("video", text_v),
            features=features,
        ).video
        losses = {"flow_v": flow_matching_loss(out, video)}
        return losses | ({"motion_v": motion_loss(out, video)} if self.motion_weight else {})

    def _both(self, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of both sides, at one flow time, or at one for each with mixed times (AVDiT, Kim et al. 2024)."""
        t_a = t_v = self._sampled_times(len(batch), generator)
        if self.conditioning.times == "mixed":
            # Every pair of times is seen: one of them near 1 is V2A or A2V, equal ones are joint generation.
            t_v = self._sampled_times(len(batch), generator)
        audio = sample_path(noise_like(batch.latents, generator), batch.latents, t_a)
        video = sample_path(noise_like(batch.slow, generator), batch.slow, t_v)
        # The text is the only condition here: without it a clip has none.
        text = drop_text([label.caption for label in batch.labels], self.rates.no_condition, generator)
        out = self.model(
            "both",
            audio.x_t,
            video.x_t,
            t_a=t_a,
            t_v=t_v,
            text_a=self._text("audio", text),
            text_v=self._text("video", text),
        )
        pairs = {"flow_both_a": (out.audio, audio), "flow_both_v": (out.video, video)}
        return {name: flow_matching_loss(made, path) for name, (made, path) in pairs.items()}

    def _text(self, side: str, prompts: list[str]) -> TextEmbeddings:
        return self.system.text_encoder(side).encode(prompts)  # type: ignore[arg-type]

    def _sampled_times(self, count: int, generator: torch.Generator) -> Tensor:
        rates = self.rates
        drawn = logit_normal(count, location=rates.time_location, scale=rates.time_scale, generator=generator)
        return drawn.to(self.device)

    def _condition_times(self, fixed: float, count: int, generator: torch.Generator) -> Tensor:
        """Flow times of the conditioning side: its fixed one, or uniform ones (figure 3, table 2)."""
        if self.conditioning.times != "fixed":
            return torch.rand(count, generator=generator).to(self.device)
        return torch.full((count,), fixed, device=self.device)

    def batch_of(self, indices: list[int], generator: torch.Generator) -> Batch:
        """Return a stretch of each clip, the same one of all; see `shorter`."""
        config = self.system.config
        start_s, seconds = self._stretch(generator)
        pixels = augmented_pixels(self.clips, indices, generator, self.device)
        # At whole seconds, pictures, tokens and stored frames begin together.
        first = start_s * config.picture.fps * self.factor
        # Rounded up: the last patch begun is part of the stretch.
        count = config.picture.frames_of(seconds) * self.factor
        pixels = pixels[:, first : first + count]
        token = round(start_s * config.tokens_per_second)
        latents = self.latents[indices][:, token : token + round(seconds * config.tokens_per_second)]
        latents = latents.to(self.device)
        features = None
        if self.features is not None and self.model.extracted is not None:
            fps = self.model.extracted.fps
            features = self.features[indices][:, start_s * fps : start_s * fps + -int(-seconds * fps // 1)]
            features = features.to(self.device)
        labels = [self.clips.labels[index] for index in indices]
        slow = lower_frame_rate(pixels, self.factor)
        return Batch(pixels=pixels, slow=slow, latents=latents, features=features, labels=labels, start_s=start_s)

    def _stretch(self, generator: torch.Generator) -> tuple[int, float]:
        """Return start in whole seconds and length in seconds of the stretch of every clip in this step."""
        config = self.system.config
        whole = config.window_tokens / config.tokens_per_second
        short, where = torch.rand(2, generator=common(generator)).tolist()
        if short > self.shorter or whole < 3:
            return 0, whole
        # From 0.64 s up to a second less than the window.
        seconds = 0.64 + (whole - 1.64) * short / self.shorter
        # Rounded down, so that the stretch ends within the clip.
        return int(where * (whole - seconds)), seconds
