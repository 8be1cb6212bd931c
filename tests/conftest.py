"""What all tests share: shapes are checked while they run, and nothing of the user's machine is touched."""

from __future__ import annotations

import sys
import types
from pathlib import Path

import hypothesis
import jaxtyping
import pytest
from beartype import BeartypeConf, beartype

# An int is a float, as PEP 484 has it; the hook wants its checker by name.
_CHECKER = types.ModuleType("avlink_type_checker")
_CHECKER.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # type: ignore[attr-defined]
sys.modules[_CHECKER.__name__] = _CHECKER

# How long an example takes says how busy the machine is, and nothing about the law.
hypothesis.settings.register_profile("avlink", deadline=None)
hypothesis.settings.load_profile("avlink")

# Before anything imports the engine: the hook rewrites modules as they are loaded.
jaxtyping.install_import_hook("avlink.engine", f"{_CHECKER.__name__}.check")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache of its own; programs that it starts use the same."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(folder))
    for name in ("AVLINK_PLUGINS", "AVLINK_TRACE_HOOKS", "AVLINK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder
