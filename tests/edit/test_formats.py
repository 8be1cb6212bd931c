"""Files of other formats that a recipe asks for beside the timeline."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from avlink import testing
from avlink.core.errors import PluginError
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.session import Session


def test_other_formats_are_written_beside_the_timeline(kit: Any, session: Session, cut: Path) -> None:
    from avlink_otio import plugin

    cues = replace(session, registry=testing.fake_registry(plugin))
    sonify(SonifyRequest(input=cut, recipe=kit.tone_recipe(cut.parent, 'write.also=["cues"]'), device="cpu"), cues)
    sheet = cut.with_name("cut.foley.csv").read_text(encoding="utf-8").splitlines()
    assert len(sheet) == 4 and ",FOLEY,a,01:00:00:00," in sheet[1]


def test_a_format_that_fails_is_named(kit: Any, session: Session, cut: Path) -> None:
    def broken(timeline: object, path: Path) -> None:
        raise KeyError("x")

    broken_format = SimpleNamespace(name="broken", suffix=".x", write=broken)
    registry = replace(session.registry, formats={"broken": broken_format})  # type: ignore[dict-item]
    with pytest.raises(PluginError, match="timeline format 'broken' failed: KeyError"):
        recipe = kit.tone_recipe(cut.parent, 'write.also=["broken"]')
        sonify(SonifyRequest(input=cut, recipe=recipe, device="cpu"), replace(session, registry=registry))
