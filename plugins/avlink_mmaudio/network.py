"""MMAudio's network and encoders, loaded from files of the user only."""

from __future__ import annotations

import contextlib
import os
import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avlink import BundleError, InputError
from avlink_mmaudio.package import COMMIT
from avlink_mmaudio.weights import hub_folder

if TYPE_CHECKING:
    import torch

    from avlink_mmaudio.weights import Weights


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The arguments of MMAudio's `generate`, with its sequence lengths (a dataclass of MMAudio)."""

    net: Any
    features: Any
    lengths: Any
    generate: Callable[..., torch.Tensor]
    flow: Callable[..., Any]
    device: str


def load_network(weights: Weights, precision: str, device: str) -> Network:
    """Return the variant's network on `device`.

    Raises InputError if MMAudio cannot be used, BundleError if its files cannot be.
    """
    import torch

    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    with _nothing_downloaded(weights.hub), contextlib.redirect_stdout(sys.stderr):
        try:
            from mmaudio.eval_utils import all_model_cfg, generate
            from mmaudio.model.flow_matching import FlowMatching
            from mmaudio.model.networks import get_my_mmaudio
            from mmaudio.model.utils.features_utils import FeaturesUtils
        except (ImportError, OSError) as error:
            # torchaudio and torchcodec that were built for another torch raise OSError.
            raise InputError(
                f"MMAudio is installed but cannot be imported ({' '.join(str(error).split())}); install what it needs, "
                "as its README says"
            ) from error
        try:
            config = all_model_cfg[weights.variant]
            net = get_my_mmaudio(weights.variant).to(device, dtype).eval()
            net.load_weights(torch.load(weights.net, map_location=device, weights_only=True))
            features = FeaturesUtils(
                tod_vae_ckpt=weights.vae,
                synchformer_ckpt=weights.sync,
                enable_conditions=True,
                mode=config.mode,
                bigvgan_vocoder_ckpt=weights.vocoder,
                need_vae_encoder=False,
            )
        except (RuntimeError, KeyError, EOFError, pickle.UnpicklingError) as error:
            if type(error).__name__ == "OutOfMemoryError":
                raise
            said = " ".join(str(error).split())[:200]
            raise BundleError(
                f"MMAudio cannot load the weights of '{weights.variant}' from '{weights.net.parent}': {said}"
            ) from error
        except (TypeError, AttributeError) as error:
            raise InputError(
                f"the MMAudio that is installed is another than AVLink knows ({error}); install commit {COMMIT[:7]}"
            ) from error
    return Network(
        net=net,
        features=features.to(device, dtype).eval(),
        lengths=config.seq_cfg,
        generate=generate,
        flow=FlowMatching,
        device=device,
    )


@contextlib.contextmanager
def _nothing_downloaded(hub: Path) -> Iterator[None]:
    """Make Hugging Face's library read the cache `hub` only, also if it is imported already."""
    wanted = {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(hub)}
    before = {name: os.environ.get(name) for name in wanted}
    # The library reads the variables once, when it is imported.
    known: Any = sys.modules.get("huggingface_hub.constants")
    usual = (False, str(hub_folder())) if known is None else (known.HF_HUB_OFFLINE, known.HF_HUB_CACHE)
    os.environ.update(wanted)
    if known is not None:
        known.HF_HUB_OFFLINE, known.HF_HUB_CACHE = True, str(hub)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        known = sys.modules.get("huggingface_hub.constants")
        if known is not None and before["HF_HUB_OFFLINE"] is None:
            known.HF_HUB_OFFLINE, known.HF_HUB_CACHE = usual
