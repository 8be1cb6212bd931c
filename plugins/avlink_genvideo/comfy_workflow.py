"""A ComfyUI workflow, the editor's form of a graph, turned into the graph as it runs.

Some writers leave only this. Its values have no names, only the order of their widgets; links lead through reroutes,
"set" and "get" nodes and subgraphs; nodes may be muted or bypassed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from avlink import limits
from avlink_genvideo.comfy_graph import Graph, Node, NodeLink

# LiteGraph's values of `mode`.
_MUTED, _BYPASSED = 2, 4
# Node ids that stand for the inputs and outputs of a subgraph inside of it.
_INPUT_SIDE, _OUTPUT_SIDE = "-10", "-20"
# The widget "control after generate", which follows each seed and has no input.
_AFTER_SEED = frozenset({"fixed", "increment", "decrement", "randomize"})
# Older editors wrote the values of widgets without their names: these are the names in that order.
_WIDGETS = {
    "CLIPTextEncode": ("text",),
    "WanVideoTextEncode": ("positive_prompt", "negative_prompt"),
    "WanVideoTextEncodeCached": ("model_name", "precision", "positive_prompt", "negative_prompt"),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl"),
    "CLIPTextEncodeHunyuanDiT": ("bert", "mt5xl"),
    "StringConcatenate": ("string_a", "string_b", "delimiter"),
    "SaveVideo": ("filename_prefix",),
    "SaveWEBM": ("filename_prefix",),
    "SaveAnimatedWEBP": ("filename_prefix",),
    "SaveAnimatedPNG": ("filename_prefix",),
}
_HOLDS_TEXT = re.compile(r"text|prompt|string|note", re.IGNORECASE)
# Links may lead back to themselves in a damaged workflow.
_MAX_HOPS = 200


def is_workflow(value: Any) -> bool:
    """Return True for a JSON value that is a workflow."""
    return isinstance(value, dict) and isinstance(value.get("nodes"), list) and "links" in value


def read_workflow(value: Mapping[str, Any]) -> Graph:
    """Return the nodes of a JSON value that `is_workflow`, as they would run; invalid entries are left out.

    Raises ValueError for more nodes than the limit.
    """
    sheet = _flatten(value, _definitions(value), prefix="", depth=0)
    nodes = {}
    for node in sheet.nodes.values():
        if node.mode in (_MUTED, _BYPASSED) or node.passes or node.inner is not None:
            continue
        inputs = dict(node.values)
        for name, wire in node.wires.items():
            found = sheet.origin(wire)
            if isinstance(found, NodeLink):
                inputs[name] = found
            elif found is not None:
                inputs[name] = found.value
            elif name not in node.values:
                inputs.pop(name, None)
        nodes[node.id] = Node(id=node.id, kind=node.kind, title=node.title, inputs=inputs)
    return nodes


@dataclass(frozen=True, slots=True)
class _WidgetValue:
    """The value of a link that ends at a widget instead of a node."""

    value: Any


@dataclass(slots=True, kw_only=True)
class _EditorNode:
    """A node of the editor. `wires` are (node, slot) by the name of the input, `types` the types of the inputs.

    `first` is the value of the first widget. A node that `passes` has no effect of its own, such as a reroute.
    """

    id: str
    kind: str
    title: str
    mode: int
    values: Mapping[str, Any]
    wires: dict[str, tuple[str, int]]
    types: Mapping[str, str]
    outputs: Sequence[str]
    first: Any
    passes: bool
    inner: Mapping[int, tuple[str, int]] | None = None
    """Of a subgraph: the inner (node, slot) behind each of its output slots."""


@dataclass(slots=True)
class _EditorGraph:
    """All nodes of a workflow, including those in subgraphs."""

    nodes: dict[str, _EditorNode] = field(default_factory=dict)
    set_nodes: dict[str, _EditorNode] | None = None
    """The first "set" node of each name, once one was looked for."""
    given: dict[tuple[str, int], tuple[str, int] | _WidgetValue | None] = field(default_factory=dict)
    """The outer wire or value behind each input of a subgraph, by (input side, slot)."""

    def origin(self, wire: tuple[str, int]) -> NodeLink | _WidgetValue | None:
        """Return the link or value at the end of a wire; None if it leads nowhere."""
        for _ in range(_MAX_HOPS):
            if wire in self.given:
                outer = self.given[wire]
                if outer is None or isinstance(outer, _WidgetValue):
                    return outer
                wire = outer
                continue
            node = self.nodes.get(wire[0])
            if node is None or node.mode == _MUTED:
                return None
            following = self._through(node, wire[1])
            if following is None or isinstance(following, _WidgetValue):
                return following
            if following == wire:
                return NodeLink(*wire)
            wire = following
        return None

    def _through(self, node: _EditorNode, slot: int) -> tuple[str, int] | _WidgetValue | None:
        """Follow a wire one step upstream. An output of a node with an effect of its own is its own end."""
        if node.inner is not None:
            return node.inner.get(slot)
        if node.mode == _BYPASSED:
            # A bypassed node hands on its first input of the type of the output.
            wanted = node.outputs[slot] if slot < len(node.outputs) else "*"
            fits = (wire for name, wire in node.wires.items() if node.types.get(name) in (wanted, "*"))
            return next(fits, None)
        if node.kind == "PrimitiveNode":
            return _WidgetValue(node.first)
        if node.kind == "GetNode":
            setter = self._set_node(node.first)
            return None if setter is None else next(iter(setter.wires.values()))
        if node.passes:
            return next(iter(node.wires.values()), None)
        return (node.id, slot)

    def _set_node(self, name: Any) -> _EditorNode | None:
        """Return the first "set" node of a name that has an input."""
        if self.set_nodes is None:
            found = [node for node in self.nodes.values() if node.kind == "SetNode" and node.wires]
            self.set_nodes = {str(node.first): node for node in reversed(found)}
        return self.set_nodes.get(str(name))


def _definitions(value: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    inside = value.get("definitions")
    subgraphs = inside.get("subgraphs") if isinstance(inside, dict) else None
    return {str(item["id"]): item for item in _tables(subgraphs) if "id" in item}


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """Return the objects in a list; nothing for any other value."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _flatten(
    value: Mapping[str, Any], definitions: Mapping[str, Mapping[str, Any]], *, prefix: str, depth: int
) -> _EditorGraph:
    """Return the nodes of a workflow or a subgraph. Ids in subgraphs begin with those of the nodes around them.

    Raises ValueError for more nodes than the limit.
    """
    sheet = _EditorGraph()
    wires = {link: (f"{prefix}{origin}", slot) for link, origin, slot in _links(value.get("links"))}
    for raw in _tables(value.get("nodes")):
        if "id" not in raw:
            continue
        node = _read_node(raw, prefix, wires)
        sheet.nodes[node.id] = node
        inner = definitions.get(node.kind)
        # A damaged file may hold a subgraph that contains itself.
        if inner is not None and depth < 20:
            below = _flatten(inner, definitions, prefix=f"{node.id}:", depth=depth + 1)
            sheet.nodes.update(below.nodes)
            sheet.given.update(below.given)
            # A few subgraphs that hold each other many times would stand for any number of nodes.
            if len(sheet.nodes) > limits.GRAPH_NODES.most:
                raise ValueError(limits.GRAPH_NODES.refusal(len(sheet.nodes), "its workflow"))
            node.inner = {
                slot: (f"{node.id}:{origin}", from_slot)
                for origin, from_slot, target, slot in _ends(inner.get("links"))
                if target == _OUTPUT_SIDE
            }
            for index, entry in enumerate(_tables(inner.get("inputs"))):
                name = str(entry.get("name", ""))
                side = (f"{node.id}:{_INPUT_SIDE}", index)
                if name in node.wires:
                    sheet.given[side] = node.wires[name]
                else:
                    sheet.given[side] = _WidgetValue(node.values[name]) if name in node.values else None
    return sheet


def _read_node(raw: Mapping[str, Any], prefix: str, links: Mapping[int, tuple[str, int]]) -> _EditorNode:
    kind = str(raw.get("type", ""))
    entries = _tables(raw.get("inputs"))
    outputs = [str(entry.get("type", "*")) for entry in _tables(raw.get("outputs"))]
    widgets = raw.get("widgets_values")
    first = next(iter(widgets), None) if isinstance(widgets, list) else None
    mode = raw.get("mode")
    return _EditorNode(
        id=f"{prefix}{raw['id']}",
        kind=kind,
        title=str(raw.get("title", "")),
        mode=mode if isinstance(mode, int) else 0,
        values=dict(_values(kind, entries, widgets)),
        wires={str(entry.get("name", "")): links[entry["link"]] for entry in entries if _is_in(entry, links)},
        types={str(entry.get("name", "")): str(entry.get("type", "*")) for entry in entries},
        outputs=outputs,
        first=first,
        passes=kind in ("Reroute", "SetNode", "GetNode", "PrimitiveNode") or "reroute" in kind.lower(),
    )


def _is_in(entry: Mapping[str, Any], links: Mapping[int, tuple[str, int]]) -> bool:
    link = entry.get("link")
    return isinstance(link, int) and link in links


def _values(kind: str, entries: Sequence[Mapping[str, Any]], widgets: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values of widgets with their names, as far as these are known."""
    if isinstance(widgets, dict):
        yield from ((str(name), value) for name, value in widgets.items())
        return
    if not isinstance(widgets, list):
        return
    named = [str(entry["widget"].get("name", "")) for entry in entries if isinstance(entry.get("widget"), dict)]
    # Newer editors name the widget at the input that can replace it.
    names: Sequence[str] = named or _WIDGETS.get(kind, ())
    if not names and _HOLDS_TEXT.search(kind):
        names = ("text",)
    left = list(widgets)
    for name in names:
        if not left:
            return
        yield name, left.pop(0)
        # It has a value in the list, but no name.
        if "seed" in name and left and left[0] in _AFTER_SEED:
            left.pop(0)


def _links(links: Any) -> Iterator[tuple[int, str, int]]:
    """Yield (id, origin, slot) of the links, which are lists in a workflow and objects in a subgraph."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, list) and len(link) >= 5 and isinstance(link[0], int) and isinstance(link[2], int):
            yield link[0], str(link[1]), link[2]
        elif isinstance(link, dict) and isinstance(link.get("id"), int) and isinstance(link.get("origin_slot"), int):
            yield link["id"], str(link.get("origin_id")), link["origin_slot"]


def _ends(links: Any) -> Iterator[tuple[str, int, str, int]]:
    """Yield (origin, slot, target, slot) of the links of a subgraph."""
    for link in links if isinstance(links, list) else []:
        if isinstance(link, dict) and all(isinstance(link.get(key), int) for key in ("origin_slot", "target_slot")):
            yield str(link.get("origin_id")), link["origin_slot"], str(link.get("target_id")), link["target_slot"]
