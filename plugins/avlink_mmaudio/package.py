"""Whether MMAudio's package is there, and which: without importing it, which takes many seconds."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from avlink import InputError

COMMIT = "974010a026c731054592d8f777218bd9d85a6c24"
"""The state of https://github.com/hkchengrex/MMAudio that this plugin is written for."""


def installed_package() -> list[str]:
    """What tells one installed MMAudio from another: its version, and the commit where pip knows it.

    Raises InputError when there is none.
    """
    if find_spec("mmaudio") is None:
        raise InputError(
            "the backend 'mmaudio' needs MMAudio, which is not installed here and on no package index; install it with "
            f"pip install 'mmaudio @ git+https://github.com/hkchengrex/MMAudio@{COMMIT[:7]}'"
        )
    try:
        found = distribution("mmaudio")
    except PackageNotFoundError:
        # A checkout on the path.
        return []
    origin = found.read_text("direct_url.json")
    try:
        commit = json.loads(origin or "{}")["vcs_info"]["commit_id"]
    except (ValueError, KeyError, TypeError):
        commit = ""
    return [found.version, str(commit)]
