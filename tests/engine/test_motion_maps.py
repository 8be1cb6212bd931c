"""Motion maps tell what moves, and where, however the pictures are held and mirrored."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from avlink.core.motion_config import MAP_PICTURE, FlowSpotterConfig
from avlink.engine.motion_maps import COLS, FEATURES, MIRRORED, ROWS, motion_maps, optical_flow
from avlink.engine.nn.flow_spotter import HEAT_COLS, HEAT_ROWS, FlowSpotter

HEIGHT, WIDTH = MAP_PICTURE.height, MAP_PICTURE.width


def texture(seed: int = 0) -> np.ndarray:
    """A wide picture of soft spots."""
    noise = np.random.default_rng(seed).normal(size=(HEIGHT + 80, WIDTH + 80))
    soft = gaussian_filter(noise, 3)
    return 128 + 40 * soft / soft.std()


def panned(path: list[tuple[int, int]]) -> Tensor:
    """Pictures of a texture that has moved by whole pixels, right and down."""
    whole = texture()
    parts = [whole[40 - down : 40 - down + HEIGHT, 40 - right : 40 - right + WIDTH] for right, down in path]
    return torch.from_numpy(np.stack(parts)).float()


def struck(frames: int = 24, at: int = 12) -> Tensor:
    """A spot at the upper left that moves right, and rests from a frame on, before a still texture."""
    pictures = np.repeat(80 + 0.1 * texture(1)[None, :HEIGHT, :WIDTH], frames, axis=0)
    rows, cols = np.mgrid[:HEIGHT, :WIDTH]
    for frame in range(frames):
        x = 10 + 1.5 * min(frame, at)
        pictures[frame] += 90 * np.exp(-(((rows - 20) ** 2 + (cols - x) ** 2) / 30))
    return torch.from_numpy(pictures).float()


@pytest.mark.parametrize(("right", "down"), [(1, 0), (0, 2), (-3, 1), (4, -4)])
def test_flow_is_the_shift_of_a_picture(right: int, down: int) -> None:
    flow = optical_flow(panned([(0, 0), (right, down)]))[0]
    inner = flow[:, 12:-12, 12:-12]
    torch.testing.assert_close(inner.mean(dim=(1, 2)), torch.tensor([right, down]).float(), atol=0.2, rtol=0.1)


def test_a_still_picture_has_no_motion_and_a_pan_is_that_of_the_camera() -> None:
    assert motion_maps(panned([(0, 0)] * 8), 60).abs().max() < 1e-5
    pan = motion_maps(panned([(2 * step, 0) for step in range(8)]), 25)
    speed = pan[..., FEATURES.index("speed")]
    assert pan[..., FEATURES.index("change")].mean() > 3
    assert speed[:, 2:-2, 2:-2].mean() < 0.2


def test_what_comes_to_rest_is_told_where_and_when_it_does() -> None:
    maps = motion_maps(struck(), 25)
    stops = maps[..., FEATURES.index("stop")]
    frame, place = int(stops.amax(dim=(1, 2)).argmax()), stops.amax(dim=0).flatten().argmax()
    # It rests from frame 12 on: the last change is into frame 12, and nothing moves after it.
    assert abs(frame - 12) <= 1
    row, col = divmod(int(place), COLS)
    assert (row, col) in {(2, 3), (2, 2), (2, 4), (1, 3), (3, 3)}
    assert stops[frame, 6:].max() < 0.2 * stops[frame].max()


@pytest.mark.parametrize("fps", [24, 25, 30])
def test_held_frames_give_the_maps_of_the_film(fps: int) -> None:
    film = struck(frames=fps, at=fps // 2)
    own = motion_maps(film, fps)
    held = motion_maps(film[(torch.arange(60) * fps / 60 + 1e-6).long()], 60)
    for name in ("change", "speed", "stop"):
        curve, other = (maps[..., FEATURES.index(name)].sum(dim=(1, 2)) for maps in (own, held))
        at = (torch.arange(60) + 0.5) * fps / 60 - 0.5
        again = torch.from_numpy(np.interp(at, np.arange(fps), curve.numpy())).float()
        # Frames last two or three of sixty in turn, which moves their middles.
        assert torch.corrcoef(torch.stack((again, other)))[0, 1] > 0.85, name
        assert abs(float(curve.mean() - other.mean())) < 0.15 * float(curve.mean()), name


def test_maps_of_the_mirrored_picture_are_the_mirrored_maps() -> None:
    maps, other = motion_maps(struck(), 60), motion_maps(struck().flip(2), 60).flip(2)
    other[..., MIRRORED] *= -1
    # The motion of the camera is told by every second pixel.
    torch.testing.assert_close(maps, other, atol=0.05, rtol=0.05)


def test_a_cut_is_no_motion_and_a_flash_is_one() -> None:
    calm = torch.from_numpy(np.stack([texture(2)[:HEIGHT, :WIDTH]] * 8)).float()
    other = torch.from_numpy(np.stack([texture(3)[:HEIGHT, :WIDTH]] * 8)).float()
    assert motion_maps(torch.cat((calm, other)), 60).abs().max() < 1e-5
    flash = motion_maps(torch.cat((calm, calm[:2] + 60, calm)), 60)
    assert flash[..., FEATURES.index("light")].amax() > 20


def test_pictures_that_places_do_not_tile_are_refused() -> None:
    with pytest.raises(ValueError, match="maps of 9x16 places do not tile pictures of 70x128"):
        motion_maps(torch.zeros(3, 70, 128), 60)


@pytest.mark.parametrize("frames", [1, 2, 7, 60])
@torch.no_grad()
def test_the_network_tells_of_every_frame_and_place(frames: int) -> None:
    net = FlowSpotter(FlowSpotterConfig(kind="flow", place_dim=16, dim=16, layers=1, classes=("hit", "step"))).eval()
    seen = net(torch.rand(2, frames, 3, HEIGHT, WIDTH) * 2 - 1)
    assert seen.onset_logits.shape == (2, frames)
    assert seen.tokens.shape == (2, frames, 16) and seen.class_logits.shape == (2, frames, 2)
    maps = torch.rand(2, 2 * frames, ROWS, COLS, len(FEATURES))
    assert net.read(maps).heat.shape == (2, 2 * frames, HEAT_ROWS, HEAT_COLS)
    # Compared with the usual motion of its clip, calm and wild footage look alike.
    torch.testing.assert_close(
        net.read(1e3 * maps).onset_logits, net.read(1e5 * maps).onset_logits, atol=1e-2, rtol=1e-2
    )
