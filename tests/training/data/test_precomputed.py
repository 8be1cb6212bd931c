"""Latents and encoded captions beside prepared clips: made once, found by training, made anew where they must be."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import torch

from avlink.core.events import Event, Message
from avlink.core.recipe import load_recipe
from avlink.engine.bundle import load_system, read_bundle, write_bundle
from avlink.engine.codec.mel import LogMel
from avlink.engine.system import System
from avlink.engine.text.t5 import T5Encoder
from avlink.training.data.clips import ClipStore
from avlink.training.data.precomputed import PrecomputedStore
from avlink.training.data.prepare import prepare
from avlink.training.data.texts import CachedTextEncoder, TextStore

sys.path.insert(0, str(Path(__file__).parents[2] / "engine"))
from layouts import transformers

MODEL: dict[str, Any] = {
    "vae": {
        "channels": 32, "mult": [1, 1, 1], "encoder_blocks": 1, "decoder_blocks": 1, "z_channels": 8,
        "latent_channels": 4,
    },
    "vocoder": {"kind": "vocos", "dim": 32, "layers": 1},
    "text": {"kind": "t5", "dim": 32, "max_length": 16},
    "audio": {"dim": 32, "depth": 1, "heads": 2, "mlp_ratio": 2},
    "video": {"dim": 48, "depth": 1, "heads": 2, "mlp_ratio": 2},
    "picture": {"patch": [1, 18, 16]},
    "fusion": {"dim": 32, "heads": 2, "blocks": 1, "mlp_ratio": 2},
}  # fmt: skip


@pytest.fixture(scope="module")
def t5(tmp_path_factory: pytest.TempPathFactory) -> T5Encoder:
    """A T5 of random weights that reads letters."""
    library = transformers()
    from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

    folder = tmp_path_factory.mktemp("t5") / "tiny"
    torch.manual_seed(0)
    config = library.T5Config(vocab_size=40, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4)
    library.T5EncoderModel(config).save_pretrained(folder)
    letters = {"<pad>": 0, "</s>": 1, "<unk>": 2} | {
        letter: 3 + i for i, letter in enumerate("abcdefghijklmnopqrstuvwxyz ")
    }
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex("."), "isolated")
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    library.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", unk_token="<unk>"
    ).save_pretrained(folder)
    return T5Encoder(folder, max_length=16)


def _start(folder: Path, t5: T5Encoder, seed: int) -> None:
    """A bundle with a VAE of random weights and T5, and on.toml that starts from it."""
    table = {
        "format": 1, "kind": "train", "name": "on", "bf16": False, "start_from": "parts",
        "data": {"source": "foundry", "clips": 6, "held_out": 2}, "model": MODEL,
        "stages": {"audio": {"steps": 2, "batch": 2}},
    }  # fmt: skip
    (folder / "on.toml").write_text(tomli_w.dumps(table))
    recipe = load_recipe(folder / "on.toml", "train")
    torch.manual_seed(seed)
    system = System(recipe.model)
    system.vae.latent_mean.fill_(0.1)
    write_bundle(
        folder / "parts",
        recipe.model,
        {"vae": system.vae},
        name="parts",
        licence="none",
        description="",
        training={},
        text=t5,
    )


def test_latents_and_captions_are_prepared_and_training_needs_neither_vae_nor_t5_for_them(
    t5: T5Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from avlink.training.train import train

    _start(tmp_path, t5, 0)
    said: list[Event] = []
    recipe = load_recipe(tmp_path / "on.toml", "train", [f"data.prepared={tmp_path / 'clips'}"])
    done = prepare(recipe, tmp_path / "clips", said.append)
    assert done.latents and done.texts and done.clips == {"train": 6, "held_out": 2}
    clips = ClipStore(tmp_path / "clips" / "train")
    system = load_system(read_bundle(tmp_path / "parts"), ["vae"])
    (folder,) = (tmp_path / "clips").glob("latents-*")
    store = PrecomputedStore(folder / "train", clips)
    assert not store.missing_shards() and len(store) == 6
    wanted = system.vae.encode(LogMel(system.config.mel)(clips.sound([4, 0, 4])))
    torch.testing.assert_close(store[[4, 0, 4]], wanted, atol=1e-5, rtol=1e-4)
    (texts,) = (tmp_path / "clips").glob("texts-*")
    words = [clips.labels[0].caption, "", clips.labels[5].caption]

    def never() -> T5Encoder:
        raise AssertionError("everything is there")

    found, true = CachedTextEncoder(TextStore(texts), never).encode(words), t5.encode(words)
    assert found.mask.equal(true.mask)
    torch.testing.assert_close(found.tokens[found.mask], true.tokens[true.mask], atol=2e-3, rtol=2e-3)
    strange = CachedTextEncoder(TextStore(texts), lambda: t5).encode(["another", words[0]])
    torch.testing.assert_close(strange.tokens[0, :8], t5.encode(["another"]).tokens[0], atol=1e-5, rtol=1e-5)
    # A training reads both, and makes no latents of its own.
    train(recipe, tmp_path / "run", stages=["audio"])
    assert not list((tmp_path / "run").glob("latents-*")) and not (tmp_path / "run" / "clips").exists()
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").rglob("*.npy")}
    prepare(recipe, tmp_path / "clips", said.append)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").rglob("*.npy")} == before
    # Other weights: other latents, and nothing else.
    _start(tmp_path, t5, 1)
    prepare(load_recipe(tmp_path / "on.toml", "train"), tmp_path / "clips", said.append)
    assert Message(text="the mel or the VAE's weights are others than before: latents are made anew") in said
    after = {path: path.stat().st_mtime_ns for path in (tmp_path / "clips").rglob("*.npy")}
    assert before.items() <= after.items()
    assert {path.relative_to(tmp_path / "clips").parts[0][:8] for path in after.keys() - before.keys()} == {"latents-"}
