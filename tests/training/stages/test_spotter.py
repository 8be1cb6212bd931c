"""The flow spotter's stage: what it changes about a stretch of maps, it changes about the events too."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from avlink.core.errors import InputError
from avlink.core.motion_config import FlowSpotterConfig, SpotterConfig
from avlink.engine.motion_maps import COLS, FEATURES, MIRRORED, ROWS
from avlink.engine.system import System
from avlink.training.data.clips import ClipStore
from avlink.training.data.index import ClipLabels
from avlink.training.data.maps import MapStore
from avlink.training.stages.spotter import (
    MapStretch,
    SeenEvent,
    SpotterStage,
    cut,
    enlarged,
    mirrored,
    spliced,
    targets,
    together,
)
from avlink.training.validation import spotter

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from tiny import TINY

FLASH = (1.0, 0.30, 0.70)
"""Time in seconds, x and y of the event that `marked` shows."""


def marked(frames: int = 240) -> MapStretch:
    """Maps of zeros but for one place, at the time and the place of an event."""
    time_s, x, y = FLASH
    maps = torch.zeros(frames, ROWS, COLS, len(FEATURES))
    maps[int(time_s * 60) - 1 : int(time_s * 60) + 1, int(y * ROWS), int(x * COLS)] = 1.0
    return MapStretch(maps, (SeenEvent(time_s, "drop", x, y),))


def shown(part: MapStretch) -> tuple[float, float, float]:
    """Return seconds, x and y of what the maps show."""
    weight = part.maps[..., 0]
    t, y, x = (
        float((weight.sum(dim=[d for d in range(3) if d != axis]) * (torch.arange(weight.shape[axis]) + 0.5)).sum())
        / float(weight.sum())
        / weight.shape[axis]
        for axis in range(3)
    )
    return t * len(part.maps) / 60, x, y


@pytest.mark.parametrize(
    "part",
    [
        marked(),
        cut(marked(), 0.2, 1.0),
        cut(marked(), 0.3, 1.3),
        cut(marked(), 0.1, 0.8),
        mirrored(marked()),
        enlarged(marked(), 0.8, 0.9, 0.2),
        mirrored(cut(marked(), 0.4, 1.1)),
    ],
)
def test_an_event_stays_with_what_shows_it(part: MapStretch) -> None:
    (event,) = part.events
    time_s, x, y = shown(part)
    assert abs(event.time_s - time_s) < 0.02
    assert abs(event.x - x) < 1 / COLS and abs(event.y - y) < 1 / ROWS
    onsets, heat = targets(part)
    assert abs((int(onsets.argmax()) + 0.5) / 60 - event.time_s) <= 1 / 60
    assert onsets.max() > 0.9
    torch.testing.assert_close(heat.amax(dim=(1, 2)), onsets)
    _, row, col = np.unravel_index(int(heat.argmax()), heat.shape)
    assert (row, col) == (int(event.y * heat.shape[1]), int(event.x * heat.shape[2]))


def test_what_is_played_faster_moves_faster_and_mirroring_twice_is_nothing() -> None:
    maps = torch.rand(1, ROWS, COLS, len(FEATURES)).expand(240, -1, -1, -1)
    fast = cut(MapStretch(maps, ()), 0.0, 1.25)
    torch.testing.assert_close(fast.maps, 1.25 * maps[:120])
    part = marked()
    part.maps[..., MIRRORED] = torch.rand(part.maps.shape[:-1])
    again = mirrored(mirrored(part))
    torch.testing.assert_close(again.maps, part.maps)
    assert again.events[0].x == pytest.approx(FLASH[1])


def test_events_outside_of_what_is_seen_are_gone() -> None:
    assert cut(marked(), 0.999, 1.0).events == ()
    assert enlarged(marked(), 0.55, 0.0, 0.999).events == ()
    first, second = cut(marked(), 0.0, 1.0), cut(marked(), 0.4, 1.0)
    (late,) = spliced(second, first, 0.05).events
    assert late == first.events[0]
    assert together(first, second, 0.5).events == first.events + second.events


def test_a_step_teaches_the_spotter_alone_and_it_can_be_judged(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    labels = ClipLabels(caption="", events=((1.0, "drop", 1.0),), kinds=("drop",), places=((0.3, 0.7),))
    maps = rng.random((2, 240, ROWS, COLS, len(FEATURES)), np.float32)
    MapStore.write_shard(tmp_path / "clips", 0, maps, [labels, ClipLabels(caption="", events=())])
    store = MapStore(ClipStore(tmp_path / "clips"))
    np.testing.assert_allclose(store.maps([1, 0]), maps[::-1], atol=1e-3)
    flow = FlowSpotterConfig(kind="flow", place_dim=16, dim=16, layers=1, classes=("hit", "drop"))
    system = System(TINY.model_copy(update={"spotter": flow}))
    stage = SpotterStage(system, store)
    losses = stage.loss([0, 1, 0, 0], torch.Generator().manual_seed(0))
    assert losses.keys() == {"onset", "heat", "class", "total"} and losses["class"] > 0
    losses["total"].backward()
    learned = {name.partition(".")[0] for name, p in system.named_parameters() if p.grad is not None and p.grad.any()}
    assert learned == {"spotter"}
    assert spotter(system, store).keys() == {"f1_100ms", "f1_50ms", "class"}
    stem = SpotterConfig(dim=16, widths=(8, 8), width=72, height=40)
    with pytest.raises(InputError, match=r"set model\.spotter\.kind = 'flow'"):
        SpotterStage(System(TINY.model_copy(update={"spotter": stem})), store)
