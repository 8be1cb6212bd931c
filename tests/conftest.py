"""What all tests share: shapes are checked while they run, and nothing of the user's machine is touched."""

from __future__ import annotations

from pathlib import Path

import jaxtyping
import pytest

# Before anything imports the engine: the hook rewrites modules as they are loaded.
jaxtyping.install_import_hook("avlink.engine", "beartype.beartype")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Each test has a cache of its own; programs that it starts use the same."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(folder))
    for name in ("AVLINK_PLUGINS", "AVLINK_TRACE_HOOKS", "AVLINK_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return folder
