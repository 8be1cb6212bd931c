"""Origins of plugins are found without importing them, and unmet requirements are named."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from avlink.core.entry_points import changed_ns, origin_of, plugin_points, unmet_need

# A module that must not be imported says so.
SOURCE = "raise RuntimeError('imported')\n"


@dataclass
class Distribution:
    """As much of an installed distribution as is asked for."""

    name: str = "someones-plugin"
    version: str = "1.2"
    requires: list[str] | None = field(default_factory=list)


def point(value: str, distribution: Any = None) -> EntryPoint:
    found = EntryPoint(name="x", value=value, group="avlink")
    if distribution is not None:
        vars(found).update(dist=distribution)
    return found


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path with a module and a package."""
    (tmp_path / "x_single.py").write_text(SOURCE)
    (tmp_path / "x_package" / "below").mkdir(parents=True)
    for file in ("__init__.py", "plugin.py", "below/__init__.py"):
        (tmp_path / "x_package" / file).write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("value", "file", "place"),
    [
        ("x_single", "x_single.py", "x_single.py"),
        ("x_package", "x_package/__init__.py", "x_package"),
        ("x_package.plugin", "x_package/plugin.py", "x_package"),
        ("x_package.below", "x_package/below/__init__.py", "x_package"),
        ("x_package.missing", None, "x_package"),
    ],
)
def test_files_are_found_without_importing_them(installed: Path, value: str, file: str | None, place: str) -> None:
    origin = origin_of(point(value, Distribution()))
    assert origin.file == (None if file is None else installed / file)
    assert origin.places == (installed / place,)
    assert (origin.package, origin.module, origin.is_ours) == ("someones-plugin 1.2", value, False)
    assert not {name for name in sys.modules if name.startswith("x_")}


@pytest.mark.parametrize("value", ["x_nowhere", "x_nowhere.at.all", "sys"])
def test_modules_without_a_file_have_no_origin(value: str) -> None:
    assert origin_of(point(value)).file is None and changed_ns(point(value)) == 0
    assert origin_of(point(value)).package == ""


def test_a_change_of_the_file_is_seen(installed: Path) -> None:
    before = changed_ns(point("x_package.plugin"))
    assert before == (installed / "x_package" / "plugin.py").stat().st_mtime_ns > 0


@pytest.mark.parametrize(
    ("requires", "unmet"),
    [
        (None, None),
        ([], None),
        (["numpy>=99"], None),
        (["avlink"], None),
        (["avlink>=1"], None),
        (["avlink>=2"], "avlink>=2"),
        (["AVLink<1.5,>=1"], None),
        (["AVLink[ray]>=2"], "avlink>=2"),
        (["avlink-tools>=9"], None),
        (["avlink>=9; extra == 'dev'"], None),
        (["avlink is what it needs"], None),
    ],
)
def test_requirements_of_avlink_are_held_against_its_version(requires: list[str] | None, unmet: str | None) -> None:
    assert unmet_need(point("x", Distribution(requires=requires)), "1.0") == unmet


def test_our_own_plugins_are_found_in_order() -> None:
    points = plugin_points()
    assert [item.name for item in points] == sorted(item.name for item in points)
    assert all(origin_of(item).is_ours for item in points if item.name.startswith("avlink_fusion"))
