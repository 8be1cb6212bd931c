"""A ComfyUI graph as it ran: nodes by id, whose inputs are values or links to other nodes' outputs.

ComfyUI calls it a prompt, and its nodes write it into files under that key. The editor's form of it, the workflow, is
turned into the same in `avlink_genvideo.comfy_workflow`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias


@dataclass(frozen=True, slots=True)
class NodeLink:
    """Output number `slot` of a node."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node: `kind` is its class, `inputs` are values or `NodeLink`s by name."""

    id: str
    kind: str
    title: str = ""
    inputs: Mapping[str, Any] = field(default_factory=dict)

    def links(self) -> Iterator[tuple[str, NodeLink]]:
        """Return the inputs that come from other nodes."""
        return ((name, value) for name, value in self.inputs.items() if isinstance(value, NodeLink))

    def link(self, name: str) -> NodeLink | None:
        """Return the link of an input; None if it has a value or does not exist."""
        value = self.inputs.get(name)
        return value if isinstance(value, NodeLink) else None


Graph: TypeAlias = Mapping[str, Node]


def parse_json(text: str) -> Any:
    """Return the value of a JSON text as Python writes it, with NaN and infinities, even if it is encoded repeatedly.

    Raises ValueError for other text, and for values that are nested too deep.
    """
    try:
        value = json.loads(text)
        for _ in range(2):
            # Some writers encode JSON text once more. A string that is not JSON text is a plain prompt.
            if not isinstance(value, str) or value.lstrip()[:1] not in ("{", "["):
                break
            value = json.loads(value)
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    return value


def is_graph(value: Any) -> bool:
    """Return True for a JSON value that is a graph."""
    return isinstance(value, dict) and any(isinstance(node, dict) and "class_type" in node for node in value.values())


def read_graph(value: Mapping[str, Any]) -> Graph:
    """Return the nodes of a JSON value that `is_graph`; entries that are no nodes are left out."""
    nodes = {}
    for key, raw in value.items():
        if not isinstance(raw, dict) or "class_type" not in raw:
            continue
        inputs, meta = raw.get("inputs"), raw.get("_meta")
        nodes[str(key)] = Node(
            id=str(key),
            kind=str(raw["class_type"]),
            title=str(meta.get("title", "")) if isinstance(meta, dict) else "",
            inputs={
                str(name): _input(item, value) for name, item in (inputs if isinstance(inputs, dict) else {}).items()
            },
        )
    return nodes


def _input(item: Any, nodes: Mapping[str, Any]) -> Any:
    """Return the link, which is written as [node, slot], or the value, which may also be a list of two."""
    if isinstance(item, list) and len(item) == 2:
        node, slot = item
        known = isinstance(node, str | int) and str(node) in nodes
        if known and isinstance(slot, int) and not isinstance(slot, bool):
            return NodeLink(str(node), slot)
    # Newer versions of ComfyUI wrap lists, so that they are not taken for links: {"__value__": ...}.
    return item["__value__"] if isinstance(item, dict) and "__value__" in item else item
