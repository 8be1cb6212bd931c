"""The graph as the editor draws it: through reroutes, set and get nodes and subgraphs lead the same wires."""

from __future__ import annotations

from typing import Any

import pytest
from avlink_genvideo.comfy_prompt import GraphPrompt, find_prompt
from avlink_genvideo.comfy_workflow import is_workflow, read_workflow
from hypothesis import given, settings
from hypothesis import strategies as st


class Drawing:
    """A workflow in the making."""

    def __init__(self) -> None:
        self.nodes: list[dict[str, Any]] = []
        self.links: list[list[Any]] = []

    def node(self, id: int, kind: str, wires: dict[str, tuple[int, int]] | None = None, **more: Any) -> None:
        """A node whose inputs come from (node, slot)."""
        inputs = []
        for name, (origin, slot) in (wires or {}).items():
            link = len(self.links) + 1
            self.links.append([link, origin, slot, id, len(inputs), name.upper()])
            kinds = {"positive": "CONDITIONING", "negative": "CONDITIONING"}
            inputs.append({"name": name, "type": kinds.get(name, name.upper()), "link": link})
        named = more.pop("widgets", ())
        inputs += [{"name": name, "type": "STRING", "widget": {"name": name}, "link": None} for name in named]
        self.nodes.append({"id": id, "type": kind, "mode": 0, "inputs": inputs, "outputs": [], **more})

    @property
    def json(self) -> dict[str, Any]:
        return {"nodes": self.nodes, "links": self.links, "version": 0.4, "extra": {}}


def asked(workflow: dict[str, Any]) -> GraphPrompt:
    assert is_workflow(workflow)
    return find_prompt(read_workflow(workflow))


def drawn(positive: tuple[int, int] = (4, 0)) -> Drawing:
    """A sampler between two texts and a saved video."""
    drawing = Drawing()
    drawing.node(4, "CLIPTextEncode", {"clip": (1, 0)}, widgets_values=["a dog barks"])
    drawing.node(5, "CLIPTextEncode", {"clip": (1, 0)}, widgets_values=["music"])
    wires = {"model": (1, 0), "positive": positive, "negative": (5, 0), "latent_image": (8, 0)}
    drawing.node(10, "KSampler", wires, widgets_values=[5, "randomize", 20, 7, "euler", "normal", 1])
    drawing.node(11, "VAEDecode", {"samples": (10, 0)})
    drawing.node(12, "VHS_VideoCombine", {"images": (11, 0)}, widgets_values={"filename_prefix": "x", "frame_rate": 16})
    drawing.node(13, "MetadataText", widgets_values=["this is how to use it"])
    return drawing


FOUND = GraphPrompt(positive="a dog barks", negative="music", node="KSampler 10")


def test_the_words_of_a_plain_drawing() -> None:
    assert asked(drawn().json) == FOUND


def test_wires_lead_through_reroutes_and_set_and_get_nodes() -> None:
    drawing = drawn(positive=(22, 0))
    drawing.node(20, "Reroute", {"": (4, 0)})
    drawing.node(21, "SetNode", {"CONDITIONING": (20, 0)}, widgets_values=["words"])
    drawing.node(22, "GetNode", widgets_values=["words"])
    assert asked(drawing.json) == FOUND


def test_a_widget_that_became_an_input_has_the_value_of_its_wire() -> None:
    drawing = drawn()
    drawing.node(30, "PrimitiveNode", widgets_values=["rain on tin", "fixed"])
    drawing.nodes[0]["inputs"].append({"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 99})
    drawing.links.append([99, 30, 0, 4, 1, "STRING"])
    assert asked(drawing.json).positive == "rain on tin"


def test_a_bypassed_node_is_a_wire_and_a_muted_one_is_not_there() -> None:
    drawing = drawn(positive=(20, 0))
    drawing.node(20, "ControlNetApplyAdvanced", {"positive": (4, 0), "negative": (5, 0), "image": (6, 0)}, mode=4)
    drawing.nodes[-1]["outputs"] = [{"type": "CONDITIONING"}, {"type": "CONDITIONING"}]
    assert asked(drawing.json) == FOUND
    drawing.nodes[-1]["mode"] = 2
    assert asked(drawing.json).positive == ""


def test_values_have_names_where_the_editor_wrote_them() -> None:
    drawing = drawn()
    drawing.nodes[0] = {
        "id": 4,
        "type": "SomeEncoder",
        "inputs": [
            {"name": "noise_seed", "widget": {"name": "noise_seed"}, "link": None},
            {"name": "prompt", "widget": {"name": "prompt"}, "link": None},
        ],
        "widgets_values": [7, "randomize", "a dog barks"],
    }
    assert asked(drawing.json) == FOUND


@pytest.mark.parametrize("outside", [None, "a dog barks"])
def test_words_in_a_subgraph_are_its_own_or_those_of_its_widget(outside: str | None) -> None:
    """As in ComfyUI's templates: the sampler and the encoders lie in a subgraph, the text may show outside."""
    inner = drawn()
    inner.nodes[0]["widgets_values"] = ["a dog barks" if outside is None else "a default"]
    inner.nodes[0]["inputs"].append({"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 77})
    wires = [
        {"id": link, "origin_id": origin, "origin_slot": slot, "target_id": target, "target_slot": into, "type": kind}
        for link, origin, slot, target, into, kind in inner.links
    ]
    wires.append({"id": 77, "origin_id": -10, "origin_slot": 0, "target_id": 4, "target_slot": 1, "type": "STRING"})
    wires.append({"id": 78, "origin_id": 11, "origin_slot": 0, "target_id": -20, "target_slot": 0, "type": "IMAGE"})
    definition = {
        "id": "d2ac71a3",
        "name": "Image to Video",
        "inputs": [{"name": "text", "type": "STRING", "linkIds": [77]}],
        "outputs": [{"name": "IMAGE", "type": "IMAGE", "linkIds": [78]}],
        "nodes": [node for node in inner.nodes if node["type"] not in ("VHS_VideoCombine", "MetadataText")],
        "links": wires,
    }
    outer = Drawing()
    outer.node(130, "d2ac71a3", widgets=("text",), widgets_values=[] if outside is None else [outside])
    outer.node(108, "SaveVideo", {"video": (130, 0)}, widgets_values=["video/x", "auto"])
    found = asked({**outer.json, "definitions": {"subgraphs": [definition]}})
    assert (found.positive, found.negative, found.node) == ("a dog barks", "music", "KSampler 130:10")


def test_text_from_outside_a_subgraph_comes_through_its_wire() -> None:
    definition = {
        "id": "sub",
        "inputs": [{"name": "words"}],
        "outputs": [{"name": "LATENT"}],
        "nodes": [
            {"id": 1, "type": "CLIPTextEncode", "inputs": [{"name": "text", "link": 1}], "widgets_values": ["inner"]},
            {
                "id": 2,
                "type": "KSampler",
                "inputs": [{"name": "model", "link": 9}, {"name": "positive", "link": 2}],
                "widgets_values": [],
            },
        ],
        "links": [
            {"id": 1, "origin_id": -10, "origin_slot": 0, "target_id": 1, "target_slot": 0},
            {"id": 2, "origin_id": 1, "origin_slot": 0, "target_id": 2, "target_slot": 1},
            {"id": 3, "origin_id": 2, "origin_slot": 0, "target_id": -20, "target_slot": 0},
            {"id": 9, "origin_id": 7, "origin_slot": 0, "target_id": 2, "target_slot": 0},
        ],
    }
    outer = Drawing()
    outer.node(5, "PrimitiveString", widgets=("value",), widgets_values=["thunder"])
    outer.node(6, "sub", {"words": (5, 0)})
    outer.node(7, "SaveVideo", {"video": (6, 0)})
    assert asked({**outer.json, "definitions": {"subgraphs": [definition]}}).positive == "thunder"


@given(
    data=st.recursive(
        st.none() | st.integers(-3, 3) | st.text(max_size=4),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["id", "type", "inputs", "outputs", "widgets_values", "mode", "link", "name", "widget"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=80)
def test_nonsense_is_read_to_an_end(data: Any) -> None:
    nodes = data if isinstance(data, list) else [data]
    links = [[1, 1, 0, 2, 0], [2, 2, 0, 1, 0], data, {"id": 1, "origin_id": 1, "origin_slot": 0}]
    read_workflow(
        {"nodes": [*nodes, {"id": 1, "type": "Reroute", "inputs": [{"name": "", "link": 2}]}], "links": links}
    )
