"""AVLink gives every clip of an edit its sound.

These are the names that plugins and programs need; all others may move. They are listed in `__init__.pyi` and imported
when they are first used, so that importing `avlink` costs nothing.

    from avlink import SonifyRequest, find_recipe, sonify

    report = sonify(SonifyRequest(input=Path("cut.otio"), recipe=find_recipe("foley", "sonify")))

`visualize`, `export`, `train` and `evaluate` are the other programs. `open_session` keeps the model loaded between
runs. `check_whole` and `needed_media` tell whether a file that is still being written is complete. `sound_for_frames`
makes the sound of pictures in memory, `master` brings a sound to a loudness, `mux_sound` adds it to a movie whose
picture stays as it is.
"""

# No `from __future__`: that is an import too, and none may come before the next lines.
import os
import sys

_CAME_FROM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if sys.argv[:1] == ["-m"] and not getattr(sys.flags, "safe_path", False) and sys.path[0] == os.getcwd() != _CAME_FROM:
    # `python -m avlink` looks in the working folder first: a json.py there would be taken for Python's own. Python has
    # imported `os` and `sys` before. A folder that AVLink itself comes from stays.
    del sys.path[0]

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

# A second list of the names would have to be kept equal to the stub by hand. Parsing it takes a millisecond.
_STUB = ast.parse(Path(__file__).with_name("__init__.pyi").read_text(encoding="utf-8"))
_EXPORTS = {
    name.asname or name.name: (f"{__name__}.{node.module}", name.name)
    for node in _STUB.body
    if isinstance(node, ast.ImportFrom)
    for name in node.names
}
"""Module and name of every public name, as the stub imports them."""

__all__ = ["__version__", *sorted(_EXPORTS)]


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    module, attribute = _EXPORTS[name]
    value = getattr(import_module(module), attribute)
    # Later uses do not come here again.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
