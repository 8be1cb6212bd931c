"""Which words a graph was run with: through the nodes that people use, in the graphs of today's video models."""

from __future__ import annotations

from typing import Any

import pytest
from avlink_genvideo.comfy_graph import is_graph, parse_json, read_graph
from avlink_genvideo.comfy_prompt import GraphPrompt, find_prompt
from hypothesis import given, settings
from hypothesis import strategies as st


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def words(text: Any) -> dict[str, Any]:
    return node("CLIPTextEncode", text=text, clip=["1", 0])


def asked(graph: dict[str, Any], file_name: str = "") -> GraphPrompt:
    assert is_graph(graph)
    return find_prompt(read_graph(graph), file_name=file_name)


def saved(graph: dict[str, Any], sampler: str) -> dict[str, Any]:
    """The graph with what turns a sampler's latents into a file."""
    decoded = {"90": node("VAEDecode", samples=[sampler, 0], vae=["1", 2])}
    return {**graph, **decoded, "91": node("VHS_VideoCombine", images=["90", 0], frame_rate=16, filename_prefix="x")}


CONDITIONED = {"4": words("a dog barks"), "5": words("music")}

WAN = saved(
    {
        **CONDITIONED,
        "7": node(
            "WanImageToVideo", positive=["4", 0], negative=["5", 0], vae=["3", 0], start_image=["6", 0], length=81
        ),
        "8": node("KSamplerAdvanced", model=["9", 0], positive=["7", 0], negative=["7", 1], latent_image=["7", 2]),
        "10": node("KSamplerAdvanced", model=["9", 1], positive=["7", 0], negative=["7", 1], latent_image=["8", 0]),
    },
    "10",
)
WAN_WRAPPER = saved(
    {
        "16": node("WanVideoTextEncode", positive_prompt="a dog barks", negative_prompt="music", t5=["11", 0]),
        "50": node("WanVideoImageToVideoEncode", vae=["38", 0], start_image=["2", 0], clip_embeds=["3", 0]),
        "60": node("WanVideoNAG", model=["22", 0], conditioning=["61", 0]),
        "61": words("never said"),
        "27": node("WanVideoSampler", model=["60", 0], image_embeds=["50", 0], text_embeds=["16", 0], seed=1),
    },
    "27",
)
WAN_BRIDGE = saved(
    {
        **CONDITIONED,
        "6": node("WanVideoTextEmbedBridge", positive=["4", 0], negative=["5", 0]),
        "27": node("WanVideoSampler", model=["22", 0], text_embeds=["6", 0]),
    },
    "27",
)
HUNYUAN = saved(
    {
        "6": words("a dog barks"),
        "26": node("FluxGuidance", conditioning=["6", 0], guidance=6.0),
        "22": node("BasicGuider", model=["9", 0], conditioning=["26", 0]),
        "13": node("SamplerCustomAdvanced", noise=["2", 0], guider=["22", 0], sampler=["3", 0], latent_image=["8", 0]),
    },
    "13",
)
HUNYUAN_WRAPPER = saved(
    {
        "30": node("HyVideoTextEncode", prompt="a dog barks", text_encoders=["16", 0]),
        "3": node("HyVideoSampler", model=["1", 0], hyvid_embeds=["30", 0], seed=6),
    },
    "3",
)
LTX = saved(
    {
        **CONDITIONED,
        "6": node("LTXVConditioning", positive=["4", 0], negative=["5", 0], frame_rate=24),
        "7": node("LTXVImgToVideo", positive=["6", 0], negative=["6", 1], vae=["1", 2], image=["2", 0]),
        "10": node("CFGGuider", model=["1", 0], positive=["7", 0], negative=["7", 1], cfg=3),
        "11": node("SamplerCustomAdvanced", noise=["9", 0], guider=["10", 0], sampler=["8", 0], latent_image=["7", 2]),
    },
    "11",
)
MOCHI = saved(
    {
        "1": node("MochiTextEncode", prompt="a dog barks", clip=["2", 0]),
        "8": node("MochiTextEncode", prompt="music", clip=["1", 1]),
        "14": node("MochiSampler", model=["4", 0], positive=["1", 0], negative=["8", 0], seed=2),
    },
    "14",
)
ANIMATEDIFF = saved(
    {
        **CONDITIONED,
        "6": node(
            "ControlNetApplyAdvanced", positive=["4", 0], negative=["5", 0], control_net=["7", 0], image=["8", 0]
        ),
        "9": node("KSampler", model=["10", 0], positive=["6", 0], negative=["6", 1], latent_image=["11", 0]),
    },
    "9",
)
EFFICIENT = saved(
    {
        "1": node("Efficient Loader", ckpt_name="x", positive="a dog barks", negative="music"),
        "2": node("KSampler (Efficient)", model=["1", 0], positive=["1", 1], negative=["1", 2], latent_image=["1", 3]),
    },
    "2",
)
JOINED = saved(
    {
        "4": words(["20", 0]),
        "5": words("music"),
        "20": node("StringConcatenate", string_a=["21", 0], string_b="barks", delimiter=" "),
        "21": node("PrimitiveStringMultiline", value="a dog"),
        "9": node("KSampler", model=["10", 0], positive=["4", 0], negative=["5", 0], latent_image=["11", 0]),
    },
    "9",
)
WILDCARDS = saved(
    {
        "4": words(["20", 0]),
        "5": words("music"),
        "20": node("ImpactWildcardProcessor", wildcard_text="a __pet__ barks", populated_text="a dog barks", mode=True),
        "9": node("KSampler", model=["10", 0], positive=["4", 0], negative=["5", 0], latent_image=["11", 0]),
    },
    "9",
)
COMBINED = saved(
    {
        "2": words("a dog"),
        "3": words("barks"),
        "4": node("ConditioningCombine", conditioning_1=["2", 0], conditioning_2=["3", 0]),
        "5": words("music"),
        "9": node("KSampler", model=["10", 0], positive=["4", 0], negative=["5", 0], latent_image=["11", 0]),
    },
    "9",
)


@pytest.mark.parametrize(
    ("graph", "negative"),
    [
        (WAN, "music"),
        (WAN_WRAPPER, "music"),
        (WAN_BRIDGE, "music"),
        (HUNYUAN, ""),
        (HUNYUAN_WRAPPER, ""),
        (LTX, "music"),
        (MOCHI, "music"),
        (ANIMATEDIFF, "music"),
        (EFFICIENT, "music"),
        (JOINED, "music"),
        (WILDCARDS, "music"),
    ],
)
def test_the_words_of_todays_graphs_are_found(graph: dict[str, Any], negative: str) -> None:
    found = asked(graph)
    assert (found.positive, found.negative, found.notes) == ("a dog barks", negative, ())


def test_conditions_that_come_together_are_both_named() -> None:
    assert asked(COMBINED).positive == "a dog, barks"


def test_a_negative_side_that_was_emptied_says_nothing() -> None:
    graph = {**LTX, "5": node("ConditioningZeroOut", conditioning=["4", 0])}
    assert asked(graph) == GraphPrompt(positive="a dog barks", node="SamplerCustomAdvanced 11")


def test_the_sampler_next_to_the_video_counts_and_the_other_prompt_is_said() -> None:
    first = {
        "30": words("a photo of a garden"),
        "31": node("KSampler", model=["32", 0], positive=["30", 0], negative=["5", 0], latent_image=["33", 0]),
        "6": node("VAEDecode", samples=["31", 0], vae=["1", 2]),
    }
    found = asked({**first, **WAN})
    assert found.positive == "a dog barks"
    assert found.notes == (
        "the graph has another prompt; taken is that of KSamplerAdvanced 10, the last before the video",
    )


def test_of_two_videos_the_one_counts_whose_name_the_file_has() -> None:
    graph = {
        "2": words("rain"),
        "3": words("wind"),
        "4": node("KSampler", model=["1", 0], positive=["2", 0], negative=["9", 0]),
        "5": node("KSampler", model=["1", 0], positive=["3", 0], negative=["9", 0]),
        "6": node("SaveVideo", video=["4", 0], filename_prefix="video/%date:yyyy%/wet"),
        "7": node("SaveVideo", video=["5", 0], filename_prefix="video/dry"),
        "9": words(""),
    }
    assert asked(graph, "dry_00004_.mp4").positive == "wind"
    assert asked(graph, "wet_00004_.mp4").positive == "rain"


def test_words_of_a_service_are_taken_and_said() -> None:
    graph = {
        "1": node("KlingTextToVideoNode", prompt="a bell rings", negative_prompt="speech", mode="std"),
        "2": node("SaveVideo", video=["1", 0], filename_prefix="video/x"),
    }
    found = asked(graph)
    assert (found.positive, found.negative) == ("a bell rings", "speech")
    assert found.notes == ("the graph has no sampler that is known; taken are the words of KlingTextToVideoNode 1",)


def test_words_that_were_made_while_it_ran_are_said_to_be_missing() -> None:
    graph = {**JOINED, "20": node("OllamaGenerate", prompt="describe a dog", model="llama")}
    found = asked(graph)
    assert found.notes == ("words made by OllamaGenerate 20 while the graph ran are not in the file",)


@pytest.mark.parametrize(
    "graph",
    [
        {"1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}}},
        {"1": {"class_type": "KSampler", "inputs": {"positive": ["1", 0], "negative": ["1", 0], "model": ["1", 0]}}},
        {"1": node("CLIPTextEncode", text=["2", 0]), "2": node("Reroute", value=["1", 0])},
        {"1": {"class_type": "KSampler", "inputs": "none"}, "2": 7, "3": {"inputs": {}}},
    ],
)
def test_graphs_without_words_or_in_circles_end_in_nothing(graph: dict[str, Any]) -> None:
    assert asked(graph).positive == ""


@given(
    kinds=st.lists(
        st.sampled_from(["KSampler", "CLIPTextEncode", "Reroute", "CFGGuider", "SaveVideo", "X"]),
        min_size=1,
        max_size=8,
    ),
    wires=st.lists(
        st.tuples(
            st.integers(0, 7),
            st.sampled_from(["positive", "negative", "model", "text", "guider", "any", "images"]),
            st.integers(0, 7),
            st.integers(0, 2),
        ),
        max_size=20,
    ),
)
@settings(max_examples=100)
def test_every_graph_is_read_to_an_end(kinds: list[str], wires: list[tuple[int, str, int, int]]) -> None:
    graph = {str(index): node(kind) for index, kind in enumerate(kinds)}
    for to, name, origin, slot in wires:
        if to < len(kinds) and origin < len(kinds):
            graph[str(to)]["inputs"][name] = [str(origin), slot]
    assert isinstance(asked(graph).positive, str)


def test_json_with_nan_and_json_in_a_string_are_read() -> None:
    assert parse_json('{"is_changed": [NaN, Infinity]}')["is_changed"][1] == float("inf")
    assert parse_json('"{\\"a\\": 1}"') == {"a": 1}
    with pytest.raises(ValueError, match="nested"):
        parse_json("[" * 100_000 + "]" * 100_000)
