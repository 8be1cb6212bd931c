"""Models whose fusion reads an extractor's features (table 2, features type; TempoTokens): trained, and sampled."""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from avlink.core.architecture import ExtractedConfig
from avlink.core.errors import InputError, RecipeError
from avlink.core.features import Features
from avlink.core.recipe import load_recipe
from avlink.core.sound import read_whole
from avlink.core.values import Frames, PictureRequest, Prompt, SoundRequest, Waveform
from avlink.engine.extracted import picture_features

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
    with pytest.raises(InputError, match="extractor 'clip', which was not given: say where its checkpoint lies"):
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


TOKENS = """
[model.fusion.extracted]
name = "log-mel"
dim = 64
fps = 6
medium = "sound"
"""


def test_words_are_learned_from_the_sound_and_pictures_are_made_of_them(tmp_path: Path) -> None:
    from avlink_fusion.plugin import PictureOptions, load_picture

    from avlink.engine.bundle import A2V, load_system, read_bundle
    from avlink.training.train import train

    recipe = tmp_path / "tokens.toml"
    words = MODEL + 'injection = "text"\nlocal_windows = [1, 2, 4, 8]\n' + TOKENS
    recipe.write_text(FOUNDRY.replace("stills = 40\n", "") + words + stages("vae vocoder audio video fusion_a2v", 1))
    # An extractor of the other medium is told before anything is made.
    wrong = load_recipe(recipe, "train", ["model.fusion.extracted.name=rgb-cells"])
    with pytest.raises(RecipeError, match="the extractor 'rgb-cells' takes pictures, and is to describe sound"):
        train(wrong, tmp_path / "wrong")
    assert not (tmp_path / "wrong" / "clips").exists()
    bundle = read_bundle(train(load_recipe(recipe, "train"), tmp_path / "out"))
    (features,) = (tmp_path / "out" / "clips").glob("features-*/train/*.npy")
    assert np.load(features).shape == (4, 31, 64)
    system = load_system(bundle, A2V)
    assert system.fusion_a2v is not None and bundle.config.fusion.local_windows == (1, 2, 4, 8)
    # A built-in extractor needs no option of the backend.
    sampler = load_picture(PictureOptions(model=str(bundle.folder), steps=1), "cpu")
    # Two steps of training leave the pictures grey.
    for part in (sampler.system.video, sampler.system.fusion_a2v):
        assert part is not None
        for weight in part.parameters():
            torch.nn.init.normal_(weight, std=0.2)

    def pictures(seed: int) -> np.ndarray:
        samples = np.random.default_rng(seed).normal(0, 0.1, (1, 32000)).astype(np.float32)
        request = PictureRequest(
            sound=Waveform(samples=samples, sample_rate=16000), duration_s=Fraction(2), prompt=Prompt(), seed=0
        )
        (made,) = sampler.generate([request])
        return made.read(0, made.num_frames)

    assert pictures(0).shape == (12, 36, 64, 3) and (pictures(0) == pictures(0)).all()
    assert (pictures(0) != pictures(1)).any()


class _Seer:
    """Features of another shape than the model wants."""

    sample_rate, frame_rate, side = None, Fraction(4), 36

    def extract(self, content: Any) -> dict[str, Features]:
        return {"frames": Features(rows=np.zeros((content.num_frames, 3)), rate=content.rate)}


def test_pictures_are_picked_at_the_extractors_rate_and_its_shape_is_checked() -> None:
    pixels = np.zeros((31, 36, 64, 3), np.uint8)
    rows = picture_features(_Seer(), pixels, Fraction(6), ExtractedConfig(name="seer", dim=3, fps=4))
    assert rows.shape == (21, 3)  # 5.17 s at 4 a second, the last one begun
    with pytest.raises(InputError, match=r"extractor 'seer' gives no row of 5 values .* but 21 of width 3"):
        picture_features(_Seer(), pixels, Fraction(6), ExtractedConfig(name="seer", dim=5, fps=4))
