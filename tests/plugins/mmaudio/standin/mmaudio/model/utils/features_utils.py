import hashlib
import os
from pathlib import Path
from typing import Literal

import torch

_HUB = {
    "apple/DFN5B-CLIP-ViT-H-14-384": ("open_clip_config.json", "open_clip_pytorch_model.bin"),
    "nvidia/bigvgan_v2_44khz_128band_512x": ("config.json", "bigvgan_generator.pt"),
}


def _from_hub(repository: str) -> None:
    """As Hugging Face's library finds a file while it is offline."""
    assert os.environ["HF_HUB_OFFLINE"] == "1", "this would have been a download"
    place = Path(os.environ["HF_HUB_CACHE"]) / f"models--{repository.replace('/', '--')}"
    state = (place / "refs" / "main").read_text()
    for name in _HUB[repository]:
        (place / "snapshots" / state / name).read_bytes()
    print("Loading weights from a stand-in")


class FeaturesUtils(torch.nn.Module):
    def __init__(
        self,
        *,
        tod_vae_ckpt: str | None = None,
        bigvgan_vocoder_ckpt: str | None = None,
        synchformer_ckpt: str | None = None,
        enable_conditions: bool = True,
        mode=Literal["16k", "44k"],
        need_vae_encoder: bool = True,
    ):
        super().__init__()
        assert enable_conditions and not need_vae_encoder
        _from_hub("apple/DFN5B-CLIP-ViT-H-14-384")
        torch.load(synchformer_ckpt, weights_only=True, map_location="cpu")
        self.load_state_dict(torch.load(tod_vae_ckpt, weights_only=True, map_location="cpu"), strict=False)
        self.hop = {"16k": 512, "44k": 1024}[mode]
        if mode == "16k":
            assert bigvgan_vocoder_ckpt is not None
            torch.load(bigvgan_vocoder_ckpt, weights_only=True, map_location="cpu")
        else:
            _from_hub("nvidia/bigvgan_v2_44khz_128band_512x")
        self.weight = torch.nn.Parameter(torch.ones(1))

    @property
    def device(self) -> torch.device:
        return self.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.weight.dtype

    def train(self, mode: bool) -> None:
        return super().train(False)

    def encode_video_with_clip(self, x: torch.Tensor, batch_size: int = -1) -> torch.Tensor:
        assert x.ndim == 5 and x.shape[2:] == (3, 384, 384), x.shape
        assert x.dtype == self.dtype and x.min() >= 0 and x.max() <= 1
        return x.float().mean(dim=(2, 3, 4))[:, :, None].expand(-1, -1, 1024).to(self.dtype)

    def encode_video_with_sync(self, x: torch.Tensor, batch_size: int = -1) -> torch.Tensor:
        assert x.ndim == 5 and x.shape[2:] == (3, 224, 224), x.shape
        assert x.dtype == self.dtype and x.min() >= -1 and x.max() <= 1
        bright = (x.float().mean(dim=(2, 3, 4)) + 1) / 2
        # As many features as Synchformer has, eight for each segment of 16 that begins every 8; here they lie evenly
        # over the pictures, so that what is heard is where it is seen.
        count = 8 * ((bright.shape[1] - 16) // 8 + 1)
        seen = bright[:, torch.arange(count) * bright.shape[1] // count]
        return seen[:, :, None].expand(-1, -1, 768).to(self.dtype)

    def encode_text(self, text: list[str]) -> torch.Tensor:
        assert all(isinstance(words, str) for words in text)
        loud = [int(hashlib.md5(words.encode()).hexdigest()[:4], 16) / 65535 if words else 0.0 for words in text]
        return torch.tensor(loud)[:, None, None].expand(-1, 77, 1024).to(self.device, self.dtype)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        return z.transpose(1, 2)

    def vocode(self, mel: torch.Tensor) -> torch.Tensor:
        loud = mel.float().repeat_interleave(self.hop, dim=2)
        time = torch.arange(loud.shape[2], device=mel.device) % (1 << 20)
        seen, told = torch.sin(time * 0.3), torch.sin(time * 0.05)
        return (0.04 * loud[:, 0] * seen + 0.01 * loud[:, 1] * told)[:, None].clamp(-1, 1).to(self.dtype)
