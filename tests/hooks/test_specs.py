from __future__ import annotations

import inspect
import subprocess
import sys
import types
from collections.abc import Callable

import avlink
from avlink.hooks import Options, hookimpl, make_registry, specs
from avlink.hooks.run_hooks import RUN_HOOKS

HOOKS = {name: function for name, function in vars(specs).items() if name.startswith("avlink_")}
PROVIDERS = {name for name, function in HOOKS.items() if not inspect.signature(function).parameters}


def test_every_hook_is_documented_and_typed() -> None:
    assert set(HOOKS) == {
        "avlink_backends",
        "avlink_executors",
        "avlink_audio_processors",
        "avlink_timeline_formats",
        "avlink_commands",
        "avlink_command_options",
        "avlink_recipe_kinds",
        "avlink_extractors",
        "avlink_spotters",
        "avlink_run_options",
        *RUN_HOOKS,
    }
    for hook in HOOKS.values():
        assert inspect.getdoc(hook)
        assert inspect.signature(hook).return_annotation is not inspect.Signature.empty


def test_every_hook_of_a_run_states_its_order_its_failure_rule_and_its_part_in_keys() -> None:
    assert set(RUN_HOOKS) == set(HOOKS) - PROVIDERS
    for name in RUN_HOOKS:
        text = inspect.getdoc(HOOKS[name]) or ""
        assert [word for word in ("Order: ", "Failure: ", "Cache key: ") if word not in text] == []


def test_every_provider_is_called_once_and_no_other_hook() -> None:
    plugin = types.ModuleType("curious")
    asked: list[str] = []

    def answer(name: str) -> Callable[[], object]:
        def hook() -> object:
            asked.append(name)
            return Options if name == "avlink_run_options" else []

        return hook

    for name in HOOKS:
        setattr(plugin, name, hookimpl(answer(name)))
    make_registry(plugin)
    assert sorted(asked) == sorted(PROVIDERS)


def test_the_names_that_plugins_import_are_there() -> None:
    for name in avlink.__all__:
        assert getattr(avlink, name) is not None


def test_the_contract_imports_nothing_heavy() -> None:
    code = "import sys, avlink, avlink.hooks, avlink.core.recipe, avlink.core.values; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert not {"torch", "numpy", "av", "opentimelineio", "scipy"} & set(loaded)
