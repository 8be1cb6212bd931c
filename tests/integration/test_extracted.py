"""A model whose fusion reads an extractor's features (table 2, features type): trained, and made to sound."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avlink.core.architecture import ExtractedConfig
from avlink.core.errors import InputError
from avlink.core.features import Features
from avlink.core.recipe import load_recipe
from avlink.core.sound import read_whole
from avlink.core.values import Frames, Prompt, SoundRequest
from avlink.engine.pixels import extract_features

sys.path.insert(0, str(Path(__file__).parent))
from tiny_recipe import FOUNDRY, MODEL, stages


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CLIP of a few thousand random weights, as transformers keeps it."""
    library = pytest.importorskip("transformers", reason="transformers is not installed (extra `text`)")
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    vision = {**tower, "image_size": 32, "patch_size": 8}
    text = {**tower, "vocab_size": 50, "max_position_embeddings": 16}
    config = library.CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
    library.CLIPModel(config).save_pretrained(folder)
    return folder


def test_fusion_blocks_learn_from_features_and_sound_is_made_of_them(clip: Path, tmp_path: Path) -> None:
    from avlink.engine.bundle import V2A, load_system, read_bundle
    from avlink.engine.sampling import SampleConfig, SoundSampler
    from avlink.evaluation.extractors import fusion_extractor
    from avlink.training.train import train

    recipe = tmp_path / "clip.toml"
    reads = '[model.fusion.extracted]\nname = "clip"\ndim = 24\nfps = 6\n'
    recipe.write_text(
        FOUNDRY.replace("stills = 40\n", "")
        + MODEL
        + reads
        + f'[extractors.clip]\ncheckpoint = "{clip}"\n'
        + stages("vae vocoder audio video fusion_v2a", 1)
    )
    loaded = load_recipe(recipe, "train")
    bundle = read_bundle(train(loaded, tmp_path / "out"))
    assert sum(1 for _ in (tmp_path / "out" / "clips").glob("features-*/train/*.npy")) == 1
    system = load_system(bundle, V2A)
    with pytest.raises(InputError, match="reads the features of the extractor 'clip': say where its checkpoint lies"):
        SoundSampler(system, SampleConfig(steps=1))
    ready = fusion_extractor(bundle.config, loaded.extractors)
    assert ready is not None
    sampler = SoundSampler(system, SampleConfig(steps=1), ready.load("cpu"))

    def sound(seed: int) -> np.ndarray:
        pixels = np.random.default_rng(seed).integers(0, 255, (13, 36, 64, 3), dtype=np.uint8)
        request = SoundRequest(
            frames=Frames(pixels=pixels, rate=Fraction(6)), duration_s=Fraction(2), prompt=Prompt(), seed=0
        )
        return read_whole(sampler.generate([request])[0]).samples

    # A fresh fusion is silent about what it sees: wake it, and other pictures sound otherwise.
    with torch.no_grad():
        for parameter in system.fusion_v2a.parameters():  # type: ignore[union-attr]
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    assert sound(0).shape == (1, 32000)
    assert (sound(0) == sound(0)).all() and (sound(0) != sound(1)).any()
    # The backend makes the same sound from the recipe's words alone.
    from avlink_fusion.plugin import SoundOptions, fingerprint, load_sound

    options = SoundOptions(model=str(bundle.folder), extractor={"checkpoint": str(clip)})
    assert load_sound(options, "cpu").sample_rate == 16000
    assert fingerprint(options) != fingerprint(SoundOptions(model=str(bundle.folder)))


class _Seer:
    """Features of another shape than the model wants."""

    sample_rate, frame_rate, side = None, Fraction(4), 36

    def extract(self, content: Any) -> dict[str, Features]:
        return {"frames": Features(rows=np.zeros((content.num_frames, 3)), rate=content.rate)}


def test_pictures_are_picked_at_the_extractors_rate_and_its_shape_is_checked() -> None:
    pixels = np.zeros((31, 36, 64, 3), np.uint8)
    rows = extract_features(_Seer(), pixels, Fraction(6), ExtractedConfig(name="seer", dim=3, fps=4))
    assert rows.shape == (21, 3)  # 5.17 s at 4 a second, the last one begun
    with pytest.raises(InputError, match=r"extractor 'seer' gives no row of 5 values .* but 21 of width 3"):
        extract_features(_Seer(), pixels, Fraction(6), ExtractedConfig(name="seer", dim=5, fps=4))
