"""The flow spotter's stage: events and their places, from motion maps of rendered scenes."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, interpolate

from avlink.core.errors import InputError
from avlink.core.motion_config import MAP_PICTURE
from avlink.engine.motion_maps import COLS, MIRRORED, ROWS
from avlink.engine.nn.flow_spotter import HEAT_COLS, HEAT_ROWS, MAPS_PER_TOKEN, FlowSpotter
from avlink.engine.system import System
from avlink.training.data.index import ClipLabels
from avlink.training.data.maps import MapStore
from avlink.training.stages.inputs import Validate, device_of, no_validation

_FRAMES = 120
"""Maps of the stretch that a step sees of each clip: two seconds."""
_WIDTH = 1.2
"""Spread of a target around its event, in frames."""
_RATE = float(MAP_PICTURE.rate)
_MARGIN_S = 0.05


@dataclass(frozen=True, slots=True)
class SeenEvent:
    """An event of a stretch: seconds from its start, its class, its place from the left and from the top."""

    time_s: float
    name: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class MapStretch:
    """Maps (frames, rows, cols, features) and the events in them."""

    maps: Tensor
    events: tuple[SeenEvent, ...]


class SpotterStage:
    """A flow spotter: onsets of the clip and of each place, and the classes of events."""

    name = "spotter"

    def __init__(self, system: System, maps: MapStore, validate: Validate = no_validation) -> None:
        """Raises InputError for a model whose spotter reads no maps."""
        spotter = system.spotter
        if not isinstance(spotter, FlowSpotter):
            raise InputError("stage 'spotter' trains a network on motion maps: set model.spotter.kind = 'flow'")
        self.spotter, self.store, self.num_clips = spotter, maps, len(maps)
        self.trained: dict[str, nn.Module] = {self.name: spotter}
        self.frozen: tuple[nn.Module, ...] = ()
        self.validate, self.device = validate, device_of(system)

    def loss(self, indices: list[int], generator: torch.Generator) -> dict[str, Tensor]:
        parts = [self._augmented(index, generator) for index in indices]
        seen = self.spotter.read(torch.stack([part.maps for part in parts]).to(self.device))
        onsets, heat = (torch.stack(each).to(self.device) for each in zip(*map(targets, parts), strict=True))
        # Few frames hold an event, and fewer places: without a weight, predicting none is nearly right.
        losses = {
            "onset": binary_cross_entropy_with_logits(seen.onset_logits.float(), onsets, weight=1 + 3 * onsets),
            "heat": 20 * binary_cross_entropy_with_logits(seen.heat.float(), heat, weight=1 + 10 * heat),
            "class": self._class_loss(seen.class_logits, parts),
        }
        return losses | {"total": losses["onset"] + 0.5 * losses["heat"] + 0.1 * losses["class"]}

    def _class_loss(self, logits: Float[Tensor, "batch tokens classes"], parts: list[MapStretch]) -> Tensor:
        classes, chosen = self.spotter.config.classes, []
        for row, part in enumerate(parts):
            for event in part.events:
                token = int(event.time_s * _RATE) // MAPS_PER_TOKEN
                if event.name in classes and 0 <= token < logits.shape[1]:
                    chosen.append((row, token, classes.index(event.name)))
        if not chosen:
            return logits.new_zeros(())
        rows, tokens, names = torch.tensor(chosen, device=self.device).unbind(1)
        return cross_entropy(logits.float()[rows, tokens], names)

    def _augmented(self, index: int, generator: torch.Generator) -> MapStretch:
        part = self._stretch(index, generator)
        chance, kind, gain = torch.rand(3, generator=generator).tolist()
        if chance < 0.2:
            # Another clip after a cut, or at the same time.
            other = self._stretch(int(torch.randint(len(self.store), (), generator=generator)), generator)
            part = spliced(part, other, 0.25 + 0.5 * gain) if kind < 0.5 else together(part, other, 0.3 + 1.2 * gain)
        channels = torch.exp(0.2 * torch.randn(part.maps.shape[-1], generator=generator))
        return replace(part, maps=part.maps * channels)

    def _stretch(self, index: int, generator: torch.Generator) -> MapStretch:
        """Return a stretch of a clip, mirrored, played faster or slower, and enlarged at random."""
        mirror, fast, speed, start, zoom, size, down, right = torch.rand(8, generator=generator).tolist()
        events = _events(self.store.labels[index])
        part = MapStretch(self.store.maps([index])[0], events)
        factor = float(torch.exp(torch.tensor(0.7 * speed - 0.35))) if fast < 0.5 else 1.0
        part = cut(part, start, factor)
        if mirror < 0.5:
            part = mirrored(part)
        return part if zoom < 0.5 else enlarged(part, 0.55 + 0.45 * size, down, right)


def targets(part: MapStretch) -> tuple[Float[Tensor, " frames"], Float[Tensor, "frames rows cols"]]:
    """Return bumps around the events: over the clip, and at the place of each."""
    at = torch.arange(len(part.maps)) + 0.5
    onsets, heat = torch.zeros(len(at)), torch.zeros(len(at), HEAT_ROWS, HEAT_COLS)
    for event in part.events:
        bump = torch.exp(-0.5 * ((at - event.time_s * _RATE) / _WIDTH).square())
        onsets = torch.maximum(onsets, bump)
        row, col = min(HEAT_ROWS - 1, int(event.y * HEAT_ROWS)), min(HEAT_COLS - 1, int(event.x * HEAT_COLS))
        heat[:, row, col] = torch.maximum(heat[:, row, col], bump)
    return onsets, heat


def cut(part: MapStretch, start: float, factor: float) -> MapStretch:
    """Return `_FRAMES` maps of a clip played `factor` times as fast, from a share `start` of what is left on."""
    needed = int(_FRAMES * factor) + 1
    first = int(start * (max(0, len(part.maps) - needed) + 1))
    maps = part.maps[first : first + needed + 1]
    at = ((torch.arange(_FRAMES) + 0.5) * factor - 0.5).clamp(0, len(maps) - 1.001)
    before, share = at.long(), (at - at.floor())[:, None, None, None]
    after = (before + 1).clamp(max=len(maps) - 1)
    # What is played faster moves faster.
    maps = (maps[before] * (1 - share) + maps[after] * share) * factor
    shifted = (replace(event, time_s=(event.time_s - first / _RATE) / factor) for event in part.events)
    end_s = _FRAMES / _RATE
    return MapStretch(maps, tuple(event for event in shifted if -_MARGIN_S < event.time_s < end_s + _MARGIN_S))


def mirrored(part: MapStretch) -> MapStretch:
    """Return the maps of the mirrored picture."""
    maps = part.maps.flip(2)
    maps[..., MIRRORED] *= -1
    return MapStretch(maps, tuple(replace(event, x=1 - event.x) for event in part.events))


def enlarged(part: MapStretch, size: float, down: float, right: float) -> MapStretch:
    """Return the maps of a part of the picture, a share `size` of it, enlarged to the whole."""
    high, wide = max(4, round(ROWS * size)), max(6, round(COLS * size))
    row, col = int(down * (ROWS - high + 1)), int(right * (COLS - wide + 1))
    chosen = rearrange(part.maps[:, row : row + high, col : col + wide], "t r c f -> t f r c")
    maps = rearrange(interpolate(chosen, size=(ROWS, COLS), mode="bilinear", align_corners=False), "t f r c -> t r c f")
    moved = (replace(e, x=(e.x * COLS - col) / wide, y=(e.y * ROWS - row) / high) for e in part.events)
    seen = (e for e in moved if -0.05 <= e.x <= 1.05 and -0.05 <= e.y <= 1.05)
    return MapStretch(maps, tuple(replace(e, x=min(max(e.x, 0), 0.999), y=min(max(e.y, 0), 0.999)) for e in seen))


def spliced(first: MapStretch, second: MapStretch, share: float) -> MapStretch:
    """Return a cut from one stretch to another after a share of it."""
    at = int(share * _FRAMES)
    events = [event for event in first.events if event.time_s < at / _RATE]
    events += [event for event in second.events if event.time_s >= at / _RATE]
    return MapStretch(torch.cat((first.maps[:at], second.maps[at:])), tuple(events))


def together(first: MapStretch, second: MapStretch, share: float) -> MapStretch:
    """Return both motions at once, the second at a share of its strength."""
    return MapStretch(first.maps + share * second.maps, first.events + second.events)


def _events(labels: ClipLabels) -> tuple[SeenEvent, ...]:
    rows = zip(labels.events, labels.places, strict=True)
    return tuple(SeenEvent(time_s, name, place[0], place[1]) for (time_s, name, _), place in rows)
