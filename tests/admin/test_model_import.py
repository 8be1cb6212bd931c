"""Public checkpoints from the command line: into a bundle, and on into a training that starts from it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from avlink.admin.model_import import import_models
from avlink.core.errors import BundleError, OutputError

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from layouts import GENAU, MAA2, hifigan_layout, transformers, vae_layout

WORDS = ["a", "stick", "strikes", "wood", "metal"]


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of random weights, as its hub lays it out: both halves, and a tokenizer of five words."""
    library = transformers()
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("t5") / "flan-t5-tiny"
    torch.manual_seed(0)
    config = library.T5Config(
        vocab_size=10, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, decoder_start_token_id=0
    )
    library.T5ForConditionalGeneration(config).save_pretrained(folder)
    vocabulary = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {word: 3 + i for i, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# T5\n")
    return folder


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """GenAU's VAE at small width."""
    path = tmp_path_factory.mktemp("vae") / "1dvae.ckpt"
    torch.save({"state_dict": vae_layout(**GENAU)}, path)
    return path


def test_t5_is_what_transformers_computes_and_padding_does_not_matter(t5: Path) -> None:
    from avlink.engine.text.t5 import T5Encoder

    encoder = T5Encoder(t5)
    text = encoder.encode(["a stick strikes metal", "", "wood"])
    assert text.tokens.shape == (3, 5, 32)
    assert text.mask.sum(dim=1).tolist() == [5, 1, 2]
    whole = transformers().T5ForConditionalGeneration.from_pretrained(t5).eval()
    alone = whole.encoder(input_ids=torch.tensor([[6, 1]])).last_hidden_state
    torch.testing.assert_close(text.tokens[2, :2], alone[0], atol=1e-5, rtol=1e-4)


def test_a_folder_without_a_t5_is_refused(tmp_path: Path) -> None:
    from avlink.engine.text.t5 import T5Encoder

    transformers()
    with pytest.raises(BundleError, match=r"holds no T5: it needs config\.json"):
        T5Encoder(tmp_path)


def test_imported_parts_are_a_bundle_that_training_starts_from(vae: Path, t5: Path, tmp_path: Path) -> None:
    from avlink.core.recipe import load_recipe
    from avlink.engine.bundle import load_into, read_bundle
    from avlink.engine.codec.vae import MelVAE
    from avlink.training.train import train

    done = import_models([vae, t5], tmp_path / "parts")
    assert [(part["part"], part["licence"]) for part in done["parts"]] == [
        ("vae", "Snap, non-commercial research only"),
        ("text", "apache-2.0"),
    ]
    bundle = read_bundle(tmp_path / "parts")
    assert bundle.components == ("vae",) and "non-commercial" in bundle.licence and bundle.text is not None
    small = {
        "audio": {"dim": 32, "depth": 2, "heads": 2, "mlp_ratio": 2},
        "video": {"dim": 48, "depth": 2, "heads": 2, "mlp_ratio": 2},
        "picture": {"patch": [1, 18, 16]},
        "fusion": {"dim": 32, "heads": 2, "blocks": 1, "mlp_ratio": 2},
    }
    model = bundle.config.model_dump(mode="json", exclude_none=True) | small
    table: dict[str, Any] = {
        "format": 1,
        "kind": "train",
        "name": "on-parts",
        "bf16": False,
        "start_from": "parts",
        "data": {"source": "foundry", "clips": 4, "held_out": 1},
        "model": model,
        "stages": {"video": {"steps": 1, "batch": 2}},
    }
    import tomli_w

    (tmp_path / "on.toml").write_text(tomli_w.dumps(table))
    made = read_bundle(train(load_recipe(tmp_path / "on.toml", "train"), tmp_path / "out", stages=["video"]))
    assert made.components == ("vae", "video") and made.text == bundle.text
    assert made.licence == f"Apache-2.0; {bundle.licence}"
    kept = MelVAE(made.config.vae, made.config.mel.n_mels)
    load_into({"vae": kept}, made)
    weights, key = vae_layout(**GENAU), "encoder.conv_in.weight"
    torch.testing.assert_close(kept.state_dict()[key], weights[key], atol=1e-3, rtol=1e-3)
    # A recipe that reports_errors another spectrogram would hear nonsense through this VAE.
    table["model"]["mel"]["fmax_hz"] = 7000.0
    (tmp_path / "other.toml").write_text(tomli_w.dumps(table))
    with pytest.raises(BundleError, match=r"its spectrogram \(model\.mel\) is built otherwise"):
        train(load_recipe(tmp_path / "other.toml", "train"), tmp_path / "out2", stages=["video"])


def test_latents_are_measured_on_sounds(vae: Path, tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    from avlink.engine.bundle import load_into, read_bundle
    from avlink.engine.codec.mel import LogMel
    from avlink.engine.codec.vae import MelVAE

    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "notes.txt").write_text("no sound")
    noise = np.random.default_rng(0).normal(size=64000) * 0.1
    soundfile.write(tmp_path / "sounds" / "noise.wav", noise, 16000, subtype="FLOAT")
    import_models([vae], tmp_path / "parts", measure=tmp_path / "sounds")
    bundle = read_bundle(tmp_path / "parts")
    module = MelVAE(bundle.config.vae, bundle.config.mel.n_mels).eval()
    load_into({"vae": module}, bundle)
    with torch.no_grad():
        latents = module.encode(LogMel(bundle.config.mel)(torch.from_numpy(noise)[None].float()))[0]
    torch.testing.assert_close(latents.mean(0), torch.zeros(8), atol=1e-3, rtol=0)
    torch.testing.assert_close(latents.std(0), torch.ones(8), atol=1e-3, rtol=0)
    (tmp_path / "sounds" / "noise.wav").unlink()
    with pytest.raises(BundleError, match="holds no sound to measure the latents on"):
        import_models([vae], tmp_path / "again", measure=tmp_path / "sounds")


def test_parts_that_do_not_go_together_are_refused(vae: Path, tmp_path: Path) -> None:
    second = tmp_path / "maa2.ckpt"
    torch.save(vae_layout(**MAA2), second)
    with pytest.raises(BundleError, match=r"maa2\.ckpt is a second vae beside .*1dvae\.ckpt; a bundle has one"):
        import_models([vae, second], tmp_path / "parts")
    vocoder = tmp_path / "g.pt"
    torch.save({"generator": hifigan_layout(mels=80, channels=32, kernels=(16, 16, 4, 4))}, vocoder)
    with pytest.raises(BundleError, match=r"GenAU.s 1D-VAE and HiFi-GAN do not speak the same spectrogram"):
        import_models([vae, vocoder], tmp_path / "parts")
    torch.save({"model.diffusion_model.weight": torch.zeros(2)}, tmp_path / "unet.ckpt")
    with pytest.raises(BundleError, match="holds nothing that AVLink can import"):
        import_models([tmp_path / "unet.ckpt"], tmp_path / "parts")
    assert not (tmp_path / "parts").exists()
    (tmp_path / "parts").mkdir()
    with pytest.raises(OutputError, match="is already there"):
        import_models([vae], tmp_path / "parts")
