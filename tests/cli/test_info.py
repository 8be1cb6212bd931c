"""The commands that only tell: recipes, plugins, models, doctor."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_recipes_are_listed_with_what_they_are_for(avlink) -> None:
    recipes = {recipe["name"]: recipe for recipe in avlink("recipes", "list", "--json").json["recipes"]}
    assert {"foley", "visualize", "evaluate", "foley_tiny"} <= set(recipes)
    assert recipes["foley"]["kind"] == "sonify"
    assert all(recipe["about"] for recipe in recipes.values())
    assert "foley_tiny" in avlink("recipes", "list").out


def test_a_recipe_is_shown_with_who_set_what(avlink, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('format = 1\nkind = "sonify"\nextends = "foley"\n[run]\ntakes = 2\n')
    shown = avlink("recipes", "show", path, "--origins", "-s", "run.seed=5", "--json").json
    assert shown["values"]["run"] == {"seed": 5, "takes": 2, "max_batch_s": 60.0}
    assert shown["origins"]["run.seed"] == "-s run.seed=5"
    assert shown["origins"]["run.takes"] == str(path)
    assert shown["origins"]["stems.post"] == "recipe foley"
    assert shown["origins"]["select.tracks"] == "default"
    assert "set by" in avlink("recipes", "show", path, "--origins").out
    assert "set by" not in avlink("recipes", "show", path).out


def test_a_recipe_is_checked_with_the_options_of_its_components(avlink, tone) -> None:
    good = avlink("recipes", "check", "foley", "-s", "backend.name=tone")
    assert (good.code, good.out) == (0, "recipe foley is a good recipe for `avlink sonify`\n")
    bad = avlink("recipes", "check", "foley", "-s", "backend.name=tone", "-s", "backend.options.stps=3")
    assert bad.code == 2
    assert "did you mean 'backend.options.steps'?" in bad.err


def test_plugins_are_listed_with_their_failures(avlink, tone, install) -> None:
    install("broken", "broken_plugin", "raise RuntimeError('no licence')\n")
    listed = avlink("plugins", "list", "--json").json
    plugins = {plugin["name"]: plugin for plugin in listed["plugins"]}
    assert plugins["tones"]["components"] == ["tone", "flat"]
    assert plugins["avlink_post"]["distribution"] == "avlink"
    assert listed["backends"]["tone"] == "v2a"
    reasons = {failure["plugin"]: failure["reason"] for failure in listed["failures"]}
    assert reasons["broken"] == "RuntimeError: no licence (broken_plugin.py, line 1)"
    assert "plugin 'broken' could not be used: RuntimeError: no licence" in avlink("plugins", "list").out


def test_the_doctor_finds_what_is_there(avlink) -> None:
    ran = avlink("doctor", "--json")
    found = {finding["name"]: finding for finding in ran.json["findings"]}
    assert list(found) == ["avlink", "torch", "torchaudio", "media", "codecs", "timelines", "plugins", "cache"]
    assert found["torch"]["ok"]
    assert ".otio" in found["timelines"]["text"]
    assert ran.code == (0 if ran.json["ok"] else 1)


def test_the_doctor_finds_what_is_not(avlink, monkeypatch: pytest.MonkeyPatch, install, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path / "file" / "cache"))
    install("broken", "broken_plugin", "raise RuntimeError('no licence')\n")
    ran = avlink("doctor")
    assert ran.code == 1
    problems = [line for line in ran.out.splitlines() if "PROBLEM" in line]
    assert any("a part of the path is a file" in line for line in problems)
    assert any("'broken': RuntimeError: no licence" in line for line in problems)
