"""The stage that straightens sound from pictures, so that one or two steps without guidance are enough."""

from __future__ import annotations

import copy
import itertools
from dataclasses import dataclass

import torch
from torch import Tensor

from avlink.core.recipe.stages import Conditioning, Rates, TeacherTable
from avlink.engine.avlink import AVLink
from avlink.engine.flow.path import sample_path, spread
from avlink.engine.flow.schedule import flow_times
from avlink.engine.flow.solver import guide, rescale
from avlink.engine.system import System
from avlink.engine.variants import link_backbones
from avlink.training.data.clips import ClipStore
from avlink.training.data.precomputed import Precomputed
from avlink.training.stages.fusion import Batch, FusionStage
from avlink.training.stages.inputs import Validate, common, no_validation, noise_like


class ReflowStage(FusionStage):
    """Reflow of V2A (Liu et al. 2023; Frieren, Wang et al. 2024): learn straight lines between a teacher's ends.

    The teacher is the model as the stage finds it, with its guidance. It solves one of `teacher.segments` stretches of
    the path, which begins with noised data (piecewise rectified flow, Yan et al. 2024), or with noise where there is
    but one. The velocity of the line through both ends is what a single Euler step needs: the student takes as many
    steps as there are segments, and no guidance, which is in the ends already.
    """

    def __init__(
        self,
        system: System,
        clips: ClipStore,
        latents: Precomputed,
        *,
        teacher: TeacherTable,
        conditioning: Conditioning,
        rates: Rates,
        finetune: bool = False,
        validate: Validate = no_validation,
    ) -> None:
        super().__init__(
            system,
            clips,
            latents,
            name="reflow_v2a",
            tasks=("v2a",),
            conditioning=conditioning,
            rates=rates,
            finetune=finetune,
            train_motion=False,
            validate=validate,
        )
        self.settings, self.teacher = teacher, _frozen_copy(self.model, audio=finetune)
        # A resumed run builds the stage on the same weights, and loads those of the student afterwards.
        inner = teacher.steps // teacher.segments
        knots = flow_times(teacher.segments * inner, teacher.shift).tolist()
        self.segments = [knots[at : at + inner + 1] for at in range(0, len(knots) - 1, inner)]
        """The flow times of the teacher's steps in each segment."""

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        batch = self.batch_of(indices, generator)
        a_1, t_v = batch.latents, torch.full((len(batch),), self.conditioning.t_video, device=self.device)
        with torch.no_grad():
            given = self._given(batch, t_v, generator)
            # The same on all ranks, which take as many steps as each other.
            chosen = int(torch.randint(len(self.segments), (), generator=common(generator)))
            times = self.segments[chosen]
            first = torch.full_like(t_v, times[0])
            start = sample_path(noise_like(a_1, generator), a_1, first).x_t
            end = start
            for now, then in itertools.pairwise(times):
                end = end + (then - now) * self._guided(end, now, given)
        straight = (end - start) / (times[-1] - times[0])
        along = torch.rand(len(indices), generator=generator).to(self.device)
        t_a = first + along * (times[-1] - times[0])
        made = self._velocity(self.model, start + spread(along, start) * (end - start), t_a, given)
        loss = (made.float() - straight).square().mean()
        return {"flow_a": loss, "flow": loss, "total": loss}

    def _given(self, batch: Batch, t_v: Tensor, generator: torch.Generator) -> _Given:
        """Return the conditions of a batch, as a sampler meets them."""
        rates, labels = self.rates, batch.labels
        words = self.words_of(batch, generator)
        told, unseen = torch.rand(2, generator=common(generator)).tolist()
        hits, alone = None, False
        if self.controller is not None:
            drop = rates.hits_drop
            if self.controller.config.alone:
                # All clips of a step or none: where hits speak alone, samplers leave the stem out.
                alone = told >= drop
                drop = 0.0 if alone else 1.0
            hits = self.hit_curves(labels, batch.latents.shape[1], float(batch.start_s), generator, drop=drop)
        motion = None
        if self.use_motion and self.system.motion is not None and not alone and unseen >= rates.motion_drop:
            motion = self.system.motion(batch.pixels).tokens
        v_t = sample_path(noise_like(batch.slow, generator), batch.slow, t_v).x_t
        return _Given(v_t=v_t, t_v=t_v, words=words, motion=motion, hits=hits)

    def _guided(self, a_t: Tensor, t: float, given: _Given) -> Tensor:
        """Return the teacher's velocity with guidance; the branch without condition has no picture (C.2)."""
        settings, t_a = self.settings, torch.full_like(given.t_v, t)
        keep = self._velocity(self.teacher, a_t, t_a, given)
        if settings.guidance == 1:
            return keep
        nothing = self._text("audio", [""] * len(a_t))
        other = self.teacher("audio", a_t, None, t_a=t_a, t_v=given.t_v, text_a=nothing).audio
        assert other is not None
        guided = guide(keep, other, settings.guidance)
        return rescale(guided, keep, a_t, t_a, settings.guidance_rescale)

    def _velocity(self, model: AVLink, a_t: Tensor, t_a: Tensor, given: _Given) -> Tensor:
        made = model(
            "audio",
            a_t,
            given.v_t,
            t_a=t_a,
            t_v=given.t_v,
            text_a=self._text("audio", given.words),
            text_v=self._text("video", given.words),
            motion=given.motion,
            hits=given.hits,
        ).audio
        assert made is not None
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Given:
    """Conditions of a batch, the same for teacher and student."""

    v_t: Tensor
    t_v: Tensor
    words: list[str]
    motion: Tensor | None
    hits: Tensor | None


def _frozen_copy(model: AVLink, *, audio: bool) -> AVLink:
    """Return the model with copies of what a student learns; the rest is shared."""
    made = link_backbones(
        model.config,
        audio=copy.deepcopy(model.audio) if audio else model.audio,
        video=model.video,
        fusion=copy.deepcopy(model.fusion),
        controller=copy.deepcopy(model.controller),
    )
    return made.eval()
