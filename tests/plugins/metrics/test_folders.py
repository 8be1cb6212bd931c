"""CLAP and CLIP from folders as transformers writes them, tiny and random, against transformers itself."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from avlink_metrics.clap import load_clap
from avlink_metrics.clip import load_clip
from avlink_metrics.options import PictureExtractorOptions

from avlink.core.errors import BundleError
from avlink.core.values import Frames, Waveform
from avlink.engine.text.t5 import import_transformers
from avlink.hooks import ExtractorOptions

pytest.importorskip("transformers")

RATE = 48000


@pytest.fixture(scope="module")
def library():
    return import_transformers()


@pytest.fixture(scope="module")
def clap(library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clap")
    torch.manual_seed(0)
    audio = {
        "hidden_size": 64,
        "patch_embeds_hidden_size": 16,
        "depths": [1, 1, 1, 1],
        "num_attention_heads": [1, 1, 2, 2],
        "projection_dim": 24,
        "spec_size": 256,
        "num_mel_bins": 64,
        "enable_fusion": True,
        "hidden_dropout_prob": 0.0,
    }
    hidden = 16 * 2**3
    audio["hidden_size"] = hidden
    text = {
        "vocab_size": 40,
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "projection_dim": 24,
        "max_position_embeddings": 90,
    }
    config = library.ClapConfig(audio_config=audio, text_config=text, projection_dim=24)
    library.ClapModel(config).save_pretrained(folder)
    library.ClapFeatureExtractor(sampling_rate=RATE, truncation="fusion").save_pretrained(folder)
    words = ["<s>", "<pad>", "</s>", "<unk>", *"abcdefghijklmnopqrstuvwxyz", "Ġ"]
    (folder / "vocab.json").write_text(json.dumps({word: index for index, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = library.RobertaTokenizerFast(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    return folder


def sound(seconds: float) -> Waveform:
    samples = np.random.default_rng(0).standard_normal((1, round(seconds * RATE))).astype(np.float32) * 0.1
    return Waveform(samples=samples, sample_rate=RATE)


class TestClap:
    def test_sound_and_words_are_what_transformers_gives(self, library, clap: Path) -> None:
        extractor = load_clap(ExtractorOptions(checkpoint=str(clap)), "cpu")
        assert extractor.sample_rate == RATE
        model = library.ClapModel.from_pretrained(clap).eval()
        ears = library.ClapFeatureExtractor.from_pretrained(clap)
        tokens = library.AutoTokenizer.from_pretrained(clap)
        wave = sound(3)
        with torch.no_grad():
            heard = ears(wave.samples[0], sampling_rate=RATE, return_tensors="pt")
            wanted = model(**heard, **tokens(["a dog barks"], return_tensors="pt"))
        found = extractor.extract(wave)["embedding"].rows
        assert np.allclose(found, wanted.audio_embeds.numpy(), atol=1e-5)
        assert np.allclose(extractor.extract("a dog barks")["embedding"].rows, wanted.text_embeds.numpy(), atol=1e-5)

    def test_long_sounds_have_one_score_each_time(self, clap: Path) -> None:
        extractor = load_clap(ExtractorOptions(checkpoint=str(clap)), "cpu")
        wave = sound(15)
        halves = [
            Waveform(samples=part, sample_rate=RATE)
            for part in (wave.samples[:, : 10 * RATE], wave.samples[:, 5 * RATE :])
        ]
        wanted = np.mean([extractor.extract(half)["embedding"].rows for half in halves], axis=0)
        assert np.allclose(extractor.extract(wave)["embedding"].rows, wanted, atol=1e-6)

    def test_what_a_folder_lacks_is_not_left_to_chance(self, clap: Path, tmp_path: Path) -> None:
        from safetensors.torch import load_file, save_file

        for file in clap.iterdir():
            (tmp_path / file.name).write_bytes(file.read_bytes())
        tensors = load_file(tmp_path / "model.safetensors")
        del tensors["text_projection.linear1.weight"]
        save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(BundleError, match=r"is no CLAP: it lacks text_projection\.linear1\.weight"):
            load_clap(ExtractorOptions(checkpoint=str(tmp_path)), "cpu")
        (tmp_path / "config.json").unlink()
        with pytest.raises(BundleError, match=r"it needs config\.json"):
            load_clap(ExtractorOptions(checkpoint=str(tmp_path)), "cpu")
        (tmp_path / "config.json").write_text('{"model_type": "t5"}')
        with pytest.raises(BundleError, match="holds 't5', not 'clap'"):
            load_clap(ExtractorOptions(checkpoint=str(tmp_path)), "cpu")


@pytest.fixture(scope="module")
def clip(library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clip")
    torch.manual_seed(0)
    tower = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    vision = {**tower, "image_size": 32, "patch_size": 8}
    text = {**tower, "vocab_size": 50, "max_position_embeddings": 16}
    config = library.CLIPConfig(vision_config=vision, text_config=text, projection_dim=24)
    library.CLIPModel(config).save_pretrained(folder)
    return folder


class TestClip:
    def test_every_picture_has_a_row(self, library, clip: Path) -> None:
        from PIL import Image

        extractor = load_clip(PictureExtractorOptions(checkpoint=str(clip)), "cpu")
        assert (extractor.frame_rate, extractor.side) == (6, 32)
        pixels = np.random.default_rng(0).integers(0, 256, (20, 40, 50, 3), dtype=np.uint8)
        pixels = np.stack([np.asarray(Image.fromarray(p).resize((100, 80), Image.Resampling.BICUBIC)) for p in pixels])
        found = extractor.extract(Frames(pixels=pixels, rate=Fraction(6)))
        assert found["frames"].rows.shape == (20, 24) and found["frames"].rate == 6
        assert np.allclose(found["embedding"].rows, found["frames"].rows.mean(axis=0), atol=1e-5)
        eyes = (
            library.CLIPImageProcessorPil if hasattr(library, "CLIPImageProcessorPil") else library.CLIPImageProcessor
        )
        seen = eyes(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})(
            list(pixels), return_tensors="pt"
        )
        with torch.no_grad():
            model = library.CLIPModel.from_pretrained(clip).eval()
            wanted = model.visual_projection(model.vision_model(**seen).pooler_output).numpy()
        # Pillow's cubic works in bytes, and has another sharpness.
        cosines = (
            (wanted * found["frames"].rows).sum(1)
            / np.linalg.norm(wanted, axis=1)
            / np.linalg.norm(found["frames"].rows, axis=1)
        )
        assert cosines.min() > 0.999

    def test_eyes_alone_are_enough(self, library, clip: Path, tmp_path: Path) -> None:
        model = library.CLIPModel.from_pretrained(clip)
        config = library.CLIPVisionConfig(**{**model.config.vision_config.to_dict(), "projection_dim": 24})
        eyes = library.CLIPVisionModelWithProjection(config)
        eyes.load_state_dict(model.state_dict(), strict=False)
        eyes.save_pretrained(tmp_path)
        pictures = Frames(pixels=np.full((1, 32, 32, 3), 90, np.uint8), rate=Fraction(6))
        rows = [
            load_clip(PictureExtractorOptions(checkpoint=str(at)), "cpu").extract(pictures)["frames"].rows
            for at in (clip, tmp_path)
        ]
        assert np.allclose(*rows, atol=1e-6)

    def test_a_folder_of_something_else_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "clap"}')
        with pytest.raises(BundleError, match="holds 'clap', not one of clip, clip_vision_model, metaclip_2"):
            load_clip(PictureExtractorOptions(checkpoint=str(tmp_path)), "cpu")
