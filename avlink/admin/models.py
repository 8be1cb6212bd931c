"""`avlink models list` and `info`: shipped bundles, and the components of a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from avlink.core.architecture import PAPER, AVLinkConfig
from avlink.core.bundles import BUILTIN, find_bundle, shipped_bundles
from avlink.core.learned import learned_folder, read_learned

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

    Of a learned spotter these are its way, its training and its figures. Raises BundleError if there is no such model.
    """
    if name == _PAPER:
        return {"name": _PAPER, "weights": False} | _describe(PAPER)
    if learned_folder(name) is not None:
        return _learned(name)
    from avlink.engine.bundle import read_bundle

    bundle = read_bundle(find_bundle(name))
    known = {
        "name": bundle.name,
        "weights": True,
        "weights_of": ", ".join([*bundle.components, *(["text (T5)"] if bundle.text else [])]),
        "licence": bundle.licence,
        "description": bundle.description,
    }
    sound = bundle.sound
    own = {name: getattr(sound, name) for name in ("steps", "guidance", "text_guidance", "shift")}
    return known | _describe(bundle.config) | {"sound": own}


def _learned(name: str) -> dict[str, Any]:
    _, table = read_learned(name)
    training = dict(table.training)
    return {
        "name": table.name,
        "weights": table.head is not None,
        "licence": table.licence,
        "description": f"a spotter that was learned: {training.pop('sentence', '')}",
        "way": training.pop("way", ""),
        "clips": table.num_clips,
        "training": training,
    }


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
