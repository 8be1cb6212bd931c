from __future__ import annotations

import numpy as np
import pytest
import torch

from avlink.foundry.shapes import Shape, box, capsule, disc, polygon

SHAPES = [disc(5.0), box(6.0, 3.0, 0.5), capsule(8.0, 2.0), polygon(6.0, 3), polygon(5.0, 6)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("direction", [0.0, 0.7, np.pi / 2, 3.9])
@pytest.mark.parametrize("angle", [0.0, 0.5])
def test_support_is_how_far_the_drawn_shape_reaches(shape: Shape, direction: float, angle: float) -> None:
    grid = torch.linspace(-12, 12, 481)
    x, y = grid[None, :], grid[:, None]
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    inside = shape.distance(u.expand(481, 481), v.expand(481, 481)) <= 0
    along = (x * np.cos(direction) + y * np.sin(direction)).expand(481, 481)
    assert float(along[inside].max()) == pytest.approx(float(shape.support(direction, angle)), abs=0.15)


@pytest.mark.parametrize("shape", SHAPES)
def test_extent_holds_the_shape(shape: Shape) -> None:
    angle = np.linspace(0, 6, 40)
    wide, high = shape.extent(angle)
    assert (wide >= shape.support(0.0, angle) - 1e-6).all()
    assert (high >= shape.support(np.pi / 2, angle) - 1e-6).all()
