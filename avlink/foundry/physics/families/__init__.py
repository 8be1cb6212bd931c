"""The families of scenes, each with the weight with which it is drawn; a module for each sort of contact."""

from __future__ import annotations

from collections.abc import Callable

from avlink.foundry.physics.families.drop import plan_bounce, plan_drop, plan_large, plan_throw, plan_tiny
from avlink.foundry.physics.families.hands import plan_clap, plan_fingers, plan_knock, plan_slap
from avlink.foundry.physics.families.pour import plan_pour, plan_splash
from avlink.foundry.physics.families.racket import plan_bat, plan_dribble, plan_keep_up, plan_rally
from avlink.foundry.physics.families.roll import plan_billiards, plan_skittles, plan_slope
from avlink.foundry.physics.families.shot import plan_shot
from avlink.foundry.physics.families.shut import plan_shut
from avlink.foundry.physics.families.slide import plan_slide
from avlink.foundry.physics.families.still import (
    plan_lights,
    plan_near_miss,
    plan_pass,
    plan_scenery,
    plan_turn,
    plan_wave,
)
from avlink.foundry.physics.families.strike import plan_strike
from avlink.foundry.physics.families.walk import plan_jump, plan_trot, plan_walk
from avlink.foundry.physics.world import World

Planner = Callable[[World], None]

FAMILIES: dict[str, tuple[Planner, float]] = {
    "strike": (plan_strike, 0.2),
    "slap": (plan_slap, 0.06),
    "clap": (plan_clap, 0.035),
    "knock": (plan_knock, 0.035),
    "fingers": (plan_fingers, 0.06),
    "drop": (plan_drop, 0.07),
    "tiny": (plan_tiny, 0.03),
    "large": (plan_large, 0.03),
    "bounce": (plan_bounce, 0.05),
    "throw": (plan_throw, 0.03),
    "billiards": (plan_billiards, 0.02),
    "skittles": (plan_skittles, 0.02),
    "slope": (plan_slope, 0.02),
    "walk": (plan_walk, 0.07),
    "jump": (plan_jump, 0.015),
    "trot": (plan_trot, 0.015),
    "shut": (plan_shut, 0.06),
    "slide": (plan_slide, 0.035),
    "pour": (plan_pour, 0.015),
    "splash": (plan_splash, 0.02),
    "rally": (plan_rally, 0.03),
    "keep_up": (plan_keep_up, 0.015),
    "dribble": (plan_dribble, 0.025),
    "bat": (plan_bat, 0.015),
    "shot": (plan_shot, 0.03),
    "wave": (plan_wave, 0.02),
    "pass": (plan_pass, 0.02),
    "near_miss": (plan_near_miss, 0.03),
    "turn": (plan_turn, 0.015),
    "lights": (plan_lights, 0.01),
    "scenery": (plan_scenery, 0.015),
}
SILENT = ("wave", "pass", "near_miss", "turn", "lights", "scenery")
"""Families in which nothing touches, so that nothing is heard."""
