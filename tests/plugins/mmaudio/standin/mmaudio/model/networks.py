from dataclasses import dataclass

import torch


@dataclass
class PreprocessedConditions:
    clip: torch.Tensor
    sync: torch.Tensor
    text: torch.Tensor


class MMAudio(torch.nn.Module):
    def __init__(self, *, latent_dim: int, latent_seq_len: int) -> None:
        super().__init__()
        self.latent_dim = latent_dim
        self.update_seq_lengths(latent_seq_len, 64, 192)
        for name, shape in (("latent_mean", (1, 1, latent_dim)), ("latent_std", (1, 1, latent_dim))):
            setattr(self, name, torch.nn.Parameter(torch.full(shape, float("nan")), requires_grad=False))

    @property
    def device(self) -> torch.device:
        return self.latent_mean.device

    def load_weights(self, src_dict) -> None:
        self.load_state_dict({name: value for name, value in src_dict.items() if name != "latent_rot"}, strict=True)

    def update_seq_lengths(self, latent_seq_len: int, clip_seq_len: int, sync_seq_len: int) -> None:
        assert all(isinstance(length, int) and length > 0 for length in (latent_seq_len, clip_seq_len, sync_seq_len))
        assert sync_seq_len % 8 == 0
        self.latent_seq_len, self.clip_seq_len, self.sync_seq_len = latent_seq_len, clip_seq_len, sync_seq_len

    def get_empty_string_sequence(self, bs: int) -> torch.Tensor:
        return self.latent_mean.new_zeros(bs, 77, 1024)

    def get_empty_clip_sequence(self, bs: int) -> torch.Tensor:
        return self.latent_mean.new_zeros(bs, self.clip_seq_len, 1024)

    def get_empty_sync_sequence(self, bs: int) -> torch.Tensor:
        return self.latent_mean.new_zeros(bs, self.sync_seq_len, 768)

    def preprocess_conditions(
        self, clip_f: torch.Tensor, sync_f: torch.Tensor, text_f: torch.Tensor
    ) -> PreprocessedConditions:
        assert clip_f.shape[1:] == (self.clip_seq_len, 1024), clip_f.shape
        assert sync_f.shape[1:] == (self.sync_seq_len, 768), sync_f.shape
        assert text_f.shape[1:] == (77, 1024), text_f.shape
        heard = torch.nn.functional.interpolate(
            sync_f.float().mean(dim=2)[:, None], size=self.latent_seq_len, mode="nearest-exact"
        )[:, 0]
        return PreprocessedConditions(clip_f.float().mean(dim=(1, 2)), heard, text_f.float().mean(dim=(1, 2)))

    def get_empty_conditions(
        self, bs: int, *, negative_text_features: torch.Tensor | None = None
    ) -> PreprocessedConditions:
        text = self.get_empty_string_sequence(bs) if negative_text_features is None else negative_text_features
        return self.preprocess_conditions(self.get_empty_clip_sequence(bs), self.get_empty_sync_sequence(bs), text)

    def predict_flow(self, latent: torch.Tensor, t: torch.Tensor, conditions: PreprocessedConditions) -> torch.Tensor:
        assert latent.shape[1:] == (self.latent_seq_len, self.latent_dim), latent.shape
        flow = torch.zeros_like(latent)
        flow[:, :, 0] = 2 * conditions.sync
        flow[:, :, 1] = (conditions.text + conditions.clip)[:, None]
        return flow

    def ode_wrapper(
        self,
        t: torch.Tensor,
        latent: torch.Tensor,
        conditions: PreprocessedConditions,
        empty_conditions: PreprocessedConditions,
        cfg_strength: float,
    ) -> torch.Tensor:
        flow = self.predict_flow(latent, t, conditions)
        if cfg_strength < 1:
            return flow
        return cfg_strength * flow + (1 - cfg_strength) * self.predict_flow(latent, t, empty_conditions)

    def unnormalize(self, x: torch.Tensor) -> torch.Tensor:
        return x.mul_(self.latent_std).add_(self.latent_mean)


def get_my_mmaudio(name: str, **kwargs) -> MMAudio:
    sizes = {"small_16k": (20, 250), "small_44k": (40, 345), "medium_44k": (40, 345)}
    latent_dim, latent_seq_len = sizes.get(name, (40, 345))
    return MMAudio(latent_dim=latent_dim, latent_seq_len=latent_seq_len, **kwargs)
