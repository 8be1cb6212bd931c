"""Graphs that no person draws: a note instead of a prompt, in a moment, and never a failure."""

from __future__ import annotations

import json
from typing import Any

import pytest
from avlink_genvideo.comfy_graph import read_graph
from avlink_genvideo.comfy_prompt import find_prompt
from avlink_genvideo.comfy_workflow import read_workflow
from avlink_genvideo.metadata import MetadataText
from avlink_genvideo.prompt import FoundPrompt, extract_prompt

from avlink.core.limits import GRAPH_DEPTH, GRAPH_NODES

SAVED = {
    "s": {"class_type": "KSampler", "inputs": {"model": ["m", 0], "positive": ["0", 0], "negative": ["n", 0]}},
    "v": {"class_type": "VHS_VideoCombine", "inputs": {"images": ["s", 0]}},
    "m": {"class_type": "Loader", "inputs": {}},
    "n": {"class_type": "CLIPTextEncode", "inputs": {"text": "music"}},
}


def _chain(length: int) -> dict[str, Any]:
    nodes = {str(n): {"class_type": "Pass", "inputs": {"any": [str(n + 1), 0]}} for n in range(length)}
    return {**SAVED, **nodes, str(length): {"class_type": "CLIPTextEncode", "inputs": {"text": "a dog barks"}}}


def _extract(text: str, name: str = "prompt") -> FoundPrompt:
    return extract_prompt([MetadataText(name=name, text=text, location="its tag")], file_name="a.mp4")


def test_a_chain_is_followed_to_the_limit_and_no_further() -> None:
    assert find_prompt(read_graph(_chain(GRAPH_DEPTH.most - 5))).positive == "a dog barks"
    for length in (GRAPH_DEPTH.most + 5, 3000):
        found = find_prompt(read_graph(_chain(length)))
        assert found.positive == "" and "nodes between the sampler of a ComfyUI graph and its text" in found.notes[0]
        assert found.notes == _extract(json.dumps(_chain(length))).notes


def test_branches_that_meet_again_and_again_end() -> None:
    # Each level doubles the ways: 2 ** 60 of them.
    nodes = {
        f"{n}": {"class_type": "Combine", "inputs": {"conditioning_1": [f"{n + 1}", 0], "conditioning_2": [f"x{n}", 0]}}
        for n in range(60)
    }
    nodes |= {f"x{n}": {"class_type": "Pass", "inputs": {"any": [f"{n + 1}", 0]}} for n in range(60)}
    found = find_prompt(read_graph({**SAVED, **nodes, "60": {"class_type": "Nothing", "inputs": {"any": ["m", 0]}}}))
    assert found.positive == ""


def test_nodes_beyond_the_limit_are_told() -> None:
    nodes = {str(n): {"class_type": "Note", "inputs": {}} for n in range(GRAPH_NODES.most + 1)}
    assert "20,001 nodes of at most 20,000" in find_prompt(read_graph(nodes)).notes[0]


def test_subgraphs_that_hold_each_other_many_times_are_told() -> None:
    definitions = [
        {"id": f"g{level}", "nodes": [{"id": n, "type": f"g{level + 1}"} for n in range(10)], "links": []}
        for level in range(18)
    ]
    workflow = {"nodes": [{"id": 1, "type": "g0"}], "links": [], "definitions": {"subgraphs": definitions}}
    with pytest.raises(ValueError, match="nodes of a ComfyUI graph"):
        read_workflow(workflow)
    assert "nodes of a ComfyUI graph" in _extract(json.dumps(workflow), "workflow").notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"a":' * 100_000,
        '{"prompt": ' + "9" * 5000 + "}",
        '{"1": {"class_type": null, "inputs": {"text": [1e999, -0]}}}',
        '{"1": {"class_type": "KSampler", "inputs": []}}',
        '{"nodes": [{"id": {}, "type": [], "inputs": [{"link": 1}], "mode": "x"}], "links": [[1, {}, 0, 0, 0]]}',
        '{"nodes": [{"id": 1, "type": "SetNode", "widgets_values": [{}]}], "links": 5, "definitions": []}',
        "(" * 50_000,
    ],
)
def test_odd_metadata_is_no_failure(text: str) -> None:
    for name in ("prompt", "workflow", "comment", "parameters"):
        assert isinstance(_extract(text, name), FoundPrompt)
