"""The installed package of MMAudio, identified without importing it, which takes many seconds."""

from __future__ import annotations

import json
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec

from avlink import InputError

COMMIT = "974010a026c731054592d8f777218bd9d85a6c24"
"""The commit of https://github.com/hkchengrex/MMAudio that this plugin is written for."""


def installed_package() -> list[str]:
    """Return the version of the installed MMAudio and its commit, as far as pip knows them.

    Raises InputError if it is not installed.
    """
    if find_spec("mmaudio") is None:
        raise InputError(
            "the backend 'mmaudio' needs MMAudio, which is not installed here and on no package index; install it with "
            f"pip install 'mmaudio @ git+https://github.com/hkchengrex/MMAudio@{COMMIT[:7]}'"
        )
    try:
        found = distribution("mmaudio")
    except PackageNotFoundError:
        # A checkout on the path has no metadata.
        return []
    origin = found.read_text("direct_url.json")
    try:
        commit = json.loads(origin or "{}")["vcs_info"]["commit_id"]
    except (ValueError, KeyError, TypeError):
        commit = ""
    return [found.version, str(commit)]
