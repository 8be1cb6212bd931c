"""The linked model: parameter counts at the paper's sizes, and a fresh fusion that changes nothing."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest
import torch

from avlink.core.architecture import PAPER, AVLinkConfig
from avlink.engine import avlink as avlink_module
from avlink.engine.avlink import aligned_rope, fusion_positions
from avlink.engine.flow.path import data_to_velocity
from avlink.engine.nn.attention import AlignedHeads
from avlink.engine.nn.rope import rotate
from avlink.engine.system import System, parameter_counts
from avlink.engine.text.encoder import TextEmbeddings
from avlink.engine.text.word_table import WordTable

sys.path.insert(0, str(Path(__file__).parent))
from tiny import TINY


def test_paper_sizes() -> None:
    counts = parameter_counts(PAPER)
    assert counts["audio"] == pytest.approx(576e6, rel=0.01)
    assert counts["video"] == pytest.approx(576e6, rel=0.01)
    assert counts["fusion_v2a"] == pytest.approx(186.0e6, rel=0.005)
    assert counts["vae"] == 391_639_488
    assert counts["vocoder"] == 55_264_897


def test_the_map_of_the_paper_names_what_there_is() -> None:
    """Every dotted name in the docstring of engine/avlink.py is a module, or something in one."""
    names = re.findall(r"(?<=\s)([a-z_]+(?:\.[A-Za-z_0-9]+)+)(?=[\s,;)]|$)", str(avlink_module.__doc__), re.M)
    assert len(names) >= 12
    for name in names:
        package = "avlink" if name.startswith("training") else "avlink.engine"
        module, _, member = f"{package}.{name}".rpartition(".")
        try:
            importlib.import_module(f"{module}.{member}")
        except ModuleNotFoundError:
            assert hasattr(importlib.import_module(module), member), name


def test_paper_window_is_129_tokens() -> None:
    assert PAPER.window_tokens == 129


@pytest.mark.parametrize(("depth", "blocks"), [(24, 8), (6, 3), (6, 4), (8, 3)])
def test_fusions_stand_at_regular_intervals_and_after_the_last_block(depth: int, blocks: int) -> None:
    places = fusion_positions(depth, blocks)
    assert len(places) == blocks and places[-1] == depth
    gaps = {b - a for a, b in zip((0, *places), places, strict=False)}
    assert max(gaps) - min(gaps) <= 1


@torch.no_grad()
def test_backbones_return_velocities_whatever_they_predict() -> None:
    for prediction in ("velocity", "data"):
        audio = TINY.audio.model_copy(update={"prediction": prediction})
        system = _awake(TINY.model_copy(update={"audio": audio}))
        assert system.audio_text is not None
        latents, t, text = torch.randn(1, 20, 4), torch.tensor([0.4]), system.audio_text.encode(["wood"])
        stream = system.audio.run(system.audio.embed(latents, t, text), 0, audio.depth)
        out = system.audio.decode(system.audio._final(stream.tokens, stream.time))
        wanted = out if prediction == "velocity" else data_to_velocity(out, latents, t)
        assert torch.equal(system.audio(latents, t, text), wanted)


def _awake(config: AVLinkConfig) -> System:
    """A system whose gates are open: at their zero start, blocks hide what is wrong in them."""
    torch.manual_seed(0)
    system = System(config).eval()
    with torch.no_grad():
        for name, parameter in system.named_parameters():
            if (not name.startswith("fusion") and "modulation" in name) or "final" in name or "pooled" in name:
                parameter.normal_(0, 0.2)
    return system


@pytest.mark.parametrize("with_motion", [True, False])
@torch.no_grad()
def test_fresh_fusion_leaves_both_backbones_bit_equal(with_motion: bool) -> None:
    config = TINY if with_motion else TINY.model_copy(update={"motion": None})
    system = _awake(config)
    latents, pixels = torch.randn(2, 129, 4), torch.randn(2, 31, 3, 36, 64)
    t_a, t_v = torch.tensor([0.3, 0.6]), torch.tensor([0.9, 0.5])
    assert system.audio_text is not None and system.video_text is not None
    text_a, text_v = system.audio_text.encode(["a", "metal hammer"]), system.video_text.encode(["", "b"])
    seen = system.motion(torch.randn(2, 124, 3, 36, 64)).tokens if system.motion is not None else None
    alone_a = system.audio(latents, t_a, text_a)
    alone_v = system.video(pixels, t_v, text_v)
    both = {"t_a": t_a, "t_v": t_v, "text_a": text_a, "text_v": text_v}
    v2a = system.linked("audio")("audio", latents, pixels, motion=seen, **both).audio
    a2v = system.linked("video")("video", latents, pixels, **both).video
    assert alone_a.abs().max() > 0
    assert torch.equal(v2a, alone_a)
    assert torch.equal(a2v, alone_v)


@torch.no_grad()
def test_padding_of_text_is_not_heard() -> None:
    system = _awake(TINY)
    assert system.audio_text is not None
    latents, t = torch.randn(1, 20, 4), torch.tensor([0.4])

    def answer(text: Text) -> torch.Tensor:
        return system.audio(latents, t, text)

    short = system.audio_text.encode(["wood"])
    padded = system.audio_text.encode(["wood", "a very much longer caption than that"])
    first = TextEmbeddings(tokens=padded.tokens[:1], mask=padded.mask[:1])
    torch.testing.assert_close(answer(short), answer(first), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_words_are_found_by_their_letters_and_heard_in_every_modulation() -> None:
    text, audio = TINY.text.model_copy(update={"words": 512}), TINY.audio.model_copy(update={"pooled_text": True})
    system = _awake(TINY.model_copy(update={"text": text, "audio": audio}))
    assert system.audio_text is not None and system.video_text is not None
    assert system.audio_text.words is not None and system.video_text.words is None
    torch.manual_seed(0)
    (sentence,) = WordTable(512, 256)([b"A bark, a barking_a"], 20)
    bark, barking, a = sentence[2], sentence[10], sentence[8]
    # Each byte of a word has its vector, and marks between words have none.
    assert torch.equal(sentence[2:6], bark.expand(4, -1)) and torch.equal(sentence[10:17], barking.expand(7, -1))
    assert not sentence[[1, 6, 7, 9, 17, 19]].any()
    # Words with one stem share n-grams: six of ten and of nineteen.
    near, far = torch.cosine_similarity(bark, barking, dim=0), torch.cosine_similarity(a, barking, dim=0)
    assert near > 0.3 > far + 0.1

    latents, t = torch.randn(1, 20, 4), torch.tensor([0.4])
    for block in system.audio.blocks:
        block.text.out.weight.zero_()  # no cross-attention: what is left is the pooled text
    prompts = ("bark", "barking", "")
    heard = [system.audio(latents, t, system.audio_text.encode([prompt])) for prompt in prompts]
    assert not torch.allclose(heard[0], heard[1]) and not torch.allclose(heard[0], heard[2])


def test_tokens_of_the_same_moment_are_turned_by_the_same_angle() -> None:
    """Equation 4: only the difference in time counts, whatever the modality."""
    torch.manual_seed(0)
    q, k = torch.randn(1, 1, 1, 32).expand(1, 1, 40, 32), torch.randn(1, 1, 1, 32).expand(1, 1, 40, 32)
    audio = rotate(q, aligned_rope((torch.arange(40) + 0.5) * 6 / 25, 32))
    video = rotate(k, aligned_rope((torch.arange(40) + 0.5).float(), 32))
    scores = (audio @ video.transpose(-1, -2))[0, 0]
    # Audio token n stands at (n + 0.5) 6/25 frames: tokens 25 apart are 6 frames apart.
    torch.testing.assert_close(scores[2:15, :10], scores[27:40, 6:16], atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_aligned_start_looks_at_the_same_moment() -> None:
    heads = AlignedHeads(TINY.fusion.model_copy(update={"dim": 64}))
    assert heads.bias is not None
    blank = torch.zeros(1, 2, 30, 32)
    rope = aligned_rope(torch.arange(30).float(), 32)
    turned = heads(blank, rope)
    scores = (turned @ turned.transpose(-1, -2))[0, 0]
    assert torch.equal(scores.argmax(-1), torch.arange(30))
