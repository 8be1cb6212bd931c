from __future__ import annotations

import inspect
import subprocess
import sys
import types
from collections.abc import Callable

import avlink
from avlink.hooks import hookimpl, make_registry, specs

HOOKS = {name: function for name, function in vars(specs).items() if name.startswith("avlink_")}


def test_every_hook_is_documented_and_typed() -> None:
    assert set(HOOKS) == {
        "avlink_backends",
        "avlink_executors",
        "avlink_audio_processors",
        "avlink_timeline_formats",
        "avlink_commands",
        "avlink_recipe_kinds",
        "avlink_extractors",
    }
    for hook in HOOKS.values():
        assert inspect.getdoc(hook)
        assert inspect.signature(hook).return_annotation is not inspect.Signature.empty


def test_every_hook_is_called_once() -> None:
    plugin = types.ModuleType("curious")
    asked: list[str] = []

    def answer(name: str) -> Callable[[], list[object]]:
        def hook() -> list[object]:
            asked.append(name)
            return []

        return hook

    for name in HOOKS:
        setattr(plugin, name, hookimpl(answer(name)))
    make_registry(plugin)
    assert sorted(asked) == sorted(HOOKS)


def test_the_names_that_plugins_import_are_there() -> None:
    for name in avlink.__all__:
        assert getattr(avlink, name) is not None


def test_the_contract_imports_nothing_heavy() -> None:
    code = "import sys, avlink, avlink.hooks, avlink.core.recipe, avlink.core.values; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "opentimelineio", "scipy"} & set(loaded)
