"""The scene kinds, the weight with which each is drawn, and the split that shows it.

A module per family of kinds, each with planners from random draws to scenes. Drawing and sound belong in `render` and
`sound`.
"""

from __future__ import annotations

from collections.abc import Callable

from avlink.foundry.kinds.blast import plan_explosion, plan_flash
from avlink.foundry.kinds.bounce import plan_bounce, plan_drop
from avlink.foundry.kinds.collide import plan_collide
from avlink.foundry.kinds.continuous import plan_machine, plan_rain, plan_roll, plan_wind
from avlink.foundry.kinds.steps import plan_steps
from avlink.foundry.kinds.strike import plan_hammer, plan_stick
from avlink.foundry.kinds.transfer import plan_clap, plan_cradle, plan_pendulum, plan_press
from avlink.foundry.sampler import SceneSampler
from avlink.foundry.scene import ScenePlan

Planner = Callable[[SceneSampler], ScenePlan]

TRAINED_KINDS: dict[str, tuple[Planner, float]] = {
    "bounce": (plan_bounce, 0.22),
    "hammer": (plan_hammer, 0.14),
    "stick": (plan_stick, 0.13),
    "steps": (plan_steps, 0.10),
    "collide": (plan_collide, 0.10),
    "drop": (plan_drop, 0.08),
    "flash": (plan_flash, 0.07),
    "explosion": (plan_explosion, 0.05),
    "roll": (plan_roll, 0.04),
    "machine": (plan_machine, 0.04),
    "rain": (plan_rain, 0.015),
    "wind": (plan_wind, 0.015),
}
TRANSFER_KINDS: dict[str, tuple[Planner, float]] = {
    "pendulum": (plan_pendulum, 0.25),
    "press": (plan_press, 0.3),
    "clap": (plan_clap, 0.25),
    "cradle": (plan_cradle, 0.2),
}
