import dataclasses
from pathlib import Path

import torch

from mmaudio.model.flow_matching import FlowMatching
from mmaudio.model.networks import MMAudio
from mmaudio.model.sequence_config import CONFIG_16K, CONFIG_44K, SequenceConfig
from mmaudio.model.utils.features_utils import FeaturesUtils


@dataclasses.dataclass
class ModelConfig:
    model_name: str
    model_path: Path
    vae_path: Path
    bigvgan_16k_path: Path | None
    mode: str
    synchformer_ckpt: Path = Path("./ext_weights/synchformer_state_dict.pth")

    @property
    def seq_cfg(self) -> SequenceConfig:
        return {"16k": CONFIG_16K, "44k": CONFIG_44K}[self.mode]

    def download_if_needed(self):
        raise AssertionError("nobody asked for a download")


def _config(name: str) -> ModelConfig:
    mode = name[-3:] if name[-3:] == "16k" else "44k"
    vocoder = Path("./ext_weights/best_netG.pt") if mode == "16k" else None
    return ModelConfig(
        name, Path(f"./weights/mmaudio_{name}.pth"), Path(f"./ext_weights/v1-{mode[:2]}.pth"), vocoder, mode
    )


all_model_cfg: dict[str, ModelConfig] = {
    name: _config(name) for name in ("small_16k", "small_44k", "medium_44k", "large_44k", "large_44k_v2")
}


def generate(
    clip_video: torch.Tensor | None,
    sync_video: torch.Tensor | None,
    text: list[str] | None,
    *,
    negative_text: list[str] | None = None,
    feature_utils: FeaturesUtils,
    net: MMAudio,
    fm: FlowMatching,
    rng: torch.Generator,
    cfg_strength: float,
    clip_batch_size_multiplier: int = 40,
    sync_batch_size_multiplier: int = 40,
    image_input: bool = False,
) -> torch.Tensor:
    device, dtype, count = feature_utils.device, feature_utils.dtype, len(text)
    assert not net.training and torch.is_inference_mode_enabled()
    assert all(video is None or video.shape[0] == count for video in (clip_video, sync_video))
    clip = net.get_empty_clip_sequence(count)
    if clip_video is not None:
        clip = feature_utils.encode_video_with_clip(clip_video.to(device, dtype))
    sync = net.get_empty_sync_sequence(count)
    if sync_video is not None:
        sync = feature_utils.encode_video_with_sync(sync_video.to(device, dtype))
    given = net.preprocess_conditions(clip, sync, feature_utils.encode_text(text))
    negative = None if negative_text is None else feature_utils.encode_text(negative_text)
    empty = net.get_empty_conditions(count, negative_text_features=negative)
    x0 = torch.randn(count, net.latent_seq_len, net.latent_dim, device=device, dtype=dtype, generator=rng)
    x1 = fm.to_data(lambda t, x: net.ode_wrapper(t, x, given, empty, cfg_strength), x0)
    assert x1.shape == x0.shape and x1.dtype == x0.dtype
    return feature_utils.vocode(feature_utils.decode(net.unnormalize(x1)))
