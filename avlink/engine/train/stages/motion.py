"""The motion stem alone: its look at single frames first, then what moves."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from avlink.engine.models.system import System
from avlink.engine.train.clips import ClipStore, to_pixels
from avlink.engine.train.objectives import motion_losses
from avlink.engine.train.stages.inputs import Validate, nothing, pictures, reframe, relight


class AppearanceStage:
    """The motion stem's look at single frames: what is struck, from the frame of one event of each clip."""

    name = "appearance"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        assert system.motion is not None
        self.motion, self.clips = system.motion, clips
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.validate = validate
        self.events = named_events(clips, system.motion.config.classes)
        # A batch is drawn from events, not clips: those with many are seen more often, as they are heard.
        self.num_clips = max(1, len(self.events))

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        if not self.events:
            raise ValueError("the appearance stage needs clips whose events have one of the stem's classes")
        config = self.motion.config
        chosen = [self.events[i] for i in indices]
        # A frame or two off: what is struck is seen just before and after as well.
        late = torch.randint(-2, 3, (len(chosen),), generator=generator).tolist()
        frames = [
            self.clips.frame(c, max(0, int(t * config.fps) + d)) for (c, t, _), d in zip(chosen, late, strict=True)
        ]
        pixels = reframe(to_pixels(torch.stack(frames)[:, None])[:, 0], generator)[:, None]
        mirrored = torch.rand(len(indices), generator=generator) < 0.5
        pixels = torch.where(mirrored[:, None, None, None, None], pixels.flip(-1), pixels)
        logits = self.motion.appearance.name(relight(pixels, generator)[:, 0]).float()
        wanted = torch.tensor([config.classes.index(name) for _, _, name in chosen])
        return {
            "total": nn.functional.cross_entropy(logits, wanted),
            "accuracy": (logits.argmax(-1) == wanted).float().mean(),
        }


def named_events(clips: ClipStore, classes: Sequence[str]) -> list[tuple[int, float, str]]:
    """(clip, seconds, class) of every event that has one of the `classes`."""
    return [(i, t, name) for i, note in enumerate(clips.notes) for t, name, _ in note.events if name in classes]


class MotionStage:
    """The motion stem alone: onsets and what was struck, from pixels under changes of light and colour."""

    name = "motion"

    def __init__(self, system: System, clips: ClipStore, validate: Validate = nothing) -> None:
        assert system.motion is not None
        self.motion, self.clips, self.num_clips = system.motion, clips, len(clips)
        self.trained: dict[str, nn.Module] = {"motion": system.motion}
        self.validate = validate

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        pixels = relight(pictures(self.clips, indices, generator), generator)
        config = self.motion.config
        notes = [self.clips.notes[i] for i in indices]
        losses = motion_losses(self.motion(pixels), notes, config.fps, config.classes)
        return {"total": losses["onset"] + 0.5 * losses["class"]} | losses
