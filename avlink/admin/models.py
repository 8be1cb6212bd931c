"""`avlink models list` and `info`: shipped bundles, and the components of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avlink.core.architecture import PAPER, AVLinkConfig
from avlink.core.bundles import BUILTIN, find_bundle, shipped_bundles

_PAPER = "paper"


def list_models() -> Sequence[Mapping[str, str]]:
    """Return shipped bundles, and the paper's configuration, which has no weights."""
    from avlink.engine.bundle import read_bundle

    found = [
        {
            "name": name,
            "summary": read_bundle(find_bundle(name)).description + (" (default)" if name == BUILTIN else ""),
        }
        for name in shipped_bundles()
    ]
    return [*found, {"name": _PAPER, "summary": "the sizes of the AV-Link paper, without weights"}]


def model_info(name: str) -> dict[str, Any]:
    """Return parameters per component, rates and window of a bundle or of "paper", without allocating weights.

    Raises BundleError if there is no such model.
    """
    if name == _PAPER:
        return {"name": _PAPER, "weights": False} | _describe(PAPER)
    from avlink.engine.bundle import read_bundle

    bundle = read_bundle(find_bundle(name))
    known = {
        "name": bundle.name,
        "weights": True,
        "weights_of": ", ".join([*bundle.components, *(["text (T5)"] if bundle.text else [])]),
        "licence": bundle.licence,
        "description": bundle.description,
    }
    return known | _describe(bundle.config)


def _describe(config: AVLinkConfig) -> dict[str, Any]:
    from avlink.engine.system import parameter_counts

    counts = parameter_counts(config)
    return {
        "parameters": counts | {"total": sum(counts.values())},
        "sample_rate": config.mel.sample_rate,
        "audio_tokens_per_second": config.tokens_per_second,
        "window_tokens": config.window_tokens,
        "picture": f"{config.picture.width}x{config.picture.height} at {config.picture.fps} fps",
        "motion_stem": config.motion is not None,
    }
