"""The backend `mmaudio`. Its fingerprint imports neither torch nor MMAudio."""

from __future__ import annotations

from avlink import digest, hookimpl
from avlink.hooks import Backend
from avlink_mmaudio.options import MMAudioOptions
from avlink_mmaudio.package import installed_package
from avlink_mmaudio.weights import find_weights

LICENCE = "MMAudio's weights are CC-BY-NC-4.0, not for commercial use, and its CLIP is under Apple's own terms"

_CODE_VERSION = 1
"""Raise it when the same weights and options sound different."""


def fingerprint(options: MMAudioOptions) -> str:
    """Return a digest of the package, the weights and the options of sampling. Raises InputError if one is missing."""
    package = installed_package()
    weights = find_weights(options.weights, options.hub, options.variant, published=options.published)
    chosen = options.model_dump(mode="json", exclude={"weights", "hub", "published"})
    return digest([_CODE_VERSION, package, weights.digests(), chosen])


@hookimpl
def avlink_backends() -> list[Backend]:
    """Offer `mmaudio`."""
    return [
        Backend(
            name="mmaudio",
            direction="v2a",
            options=MMAudioOptions,
            fingerprint=fingerprint,
            load="avlink_mmaudio.generator:load",
            licence=LICENCE,
        )
    ]
