"""The prompt of a ComfyUI graph: upstream from the node that saved the video to the sampler, and to its texts.

The sampler nearest to the saved video counts: the image that a video begins with is often generated in the same graph,
with a prompt of its own. Choices that had to be made are noted.

Any package may add node classes, so nodes are recognised by patterns in the names of their classes and inputs, taken
from the sources of ComfyUI and of its packages for video.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import PurePath
from typing import Literal, TypeAlias

from avlink import limits
from avlink_genvideo.comfy_graph import Graph, Node, NodeLink

Role: TypeAlias = Literal["positive", "negative"]

_SAVES = re.compile(r"save|combine|export|output|write|preview", re.IGNORECASE)
_SAVES_VIDEO = re.compile(r"video|webm|webp|apng|animated|gif|mp4|combine", re.IGNORECASE)
_SAMPLES = re.compile(r"sampler|guider|detailer", re.IGNORECASE)
# Such nodes only choose a method, such as KSamplerSelect, or take conditioning that is no prompt.
_NO_SAMPLER = re.compile(r"select|scheduler|sigmas|nag", re.IGNORECASE)
# Links of these inputs lead to loaders, which all branches of a graph share.
_MODEL_SIDE = re.compile(r"(^|_)(model|clip|vae|unet|lora|control_net|t5|text_encoder|upscale_model)(s|_name|_\d+)?$")
# Inputs of conditioning, in the names of ComfyUI and of packages that wrap one model ("text_embeds").
_CONDITION = re.compile(r"^(positive|negative|cond|conditioning|guider)|(embeds|embeddings)$|cond(itioning)?(_\d+)?$")
# Conditioning by pictures: it leads to image encoders and never to a prompt.
_PICTURE_SIDE = re.compile(r"(image|vision|clip_embeds|img|control|mask|latent|samples|add_cond|unianimate|audio)")
_POSITIVE_TEXTS = (
    "positive_prompt", "prompt_positive", "text_positive", "positive", "populated_text", "prompt", "text",
    "user_prompt", "t5xxl", "clip_l", "clip_g", "text_g", "text_l", "llama", "bert", "mt5xl", "caption",
)  # fmt: skip
_NEGATIVE_TEXTS = ("negative_prompt", "prompt_negative", "text_negative", "negative", "uncond_prompt")
_STRINGS = re.compile(
    r"^(string|text|value|prompt|populated_text|positive|negative|part|input|any|concat)(_?[a-z]|_?\d+)?$",
    re.IGNORECASE,
)
# The text of these nodes exists only while the graph runs: captions, rewritten prompts.
_COMPUTES = re.compile(
    r"llm|gpt|gemini|ollama|florence|caption|joy|qwen.*vl|vlm|enhanc|interrogat|tagger|claude", re.IGNORECASE
)
# A graph of some hundred nodes takes some thousand.
_MOST_STEPS = 100_000
# ConditioningZeroOut discards the text that it is given.
_EMPTIES = re.compile(r"zero_?out", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphPrompt:
    """The prompt of a graph as it is written. `notes` are sentences on choices, and on text that is not in the file."""

    positive: str = ""
    negative: str = ""
    node: str = ""
    """The sampler that it was taken from, as "kind id"."""
    notes: tuple[str, ...] = ()


class _TooLarge(Exception):
    """A search has gone deeper or on for longer than any graph needs that people draw."""


@dataclass(slots=True)
class _PromptSearch:
    """A search in a graph, with its notes."""

    graph: Graph
    notes: list[str] = field(default_factory=list)
    steps: int = 0

    def node(self, link: NodeLink | None, seen: frozenset[str]) -> Node | None:
        """Return the node of a link; `seen` are the nodes on the way to it. Raises _TooLarge."""
        self.steps += 1
        # Branches that part and meet again and again have more ways through them than can be gone.
        if len(seen) > limits.GRAPH_DEPTH.most or self.steps > _MOST_STEPS:
            raise _TooLarge
        return None if link is None else self.graph.get(link.node)


def find_prompt(graph: Graph, *, file_name: str = "") -> GraphPrompt:
    """Return the prompt of the video with this file name; an empty one, with a note, if none can be found."""
    if len(graph) > limits.GRAPH_NODES.most:
        return GraphPrompt(notes=(limits.GRAPH_NODES.refusal(len(graph), "its graph"),))
    try:
        return _find_prompt(graph, file_name)
    except _TooLarge:
        return GraphPrompt(notes=(limits.GRAPH_DEPTH.refusal("more, or too many ways through them", "its graph"),))


def _find_prompt(graph: Graph, file_name: str) -> GraphPrompt:
    search = _PromptSearch(graph)
    found: list[tuple[Node, str, str]] = []
    for node in _upstream(graph, _savers(graph, PurePath(file_name).stem)):
        if _is_sampler(node):
            positive = _joined(_sampler_texts(search, node, "positive"))
            negative = _joined(_sampler_texts(search, node, "negative"))
            # The same text for both sides means that the link leads to a single, positive one.
            negative = "" if negative == positive else negative
            if positive or negative:
                found.append((node, positive, negative))
    if not found:
        return _without_sampler(search, file_name)
    node, positive, negative = found[0]
    others = [text for _, text, _ in found[1:] if text and text != positive]
    if others:
        number = "another prompt" if len(set(others)) == 1 else f"{len(set(others))} other prompts"
        search.notes.append(f"the graph has {number}; taken is that of {_name(node)}, the last before the video")
    notes = tuple(dict.fromkeys(search.notes))
    return GraphPrompt(positive=positive, negative=negative, node=_name(node), notes=notes)


def _savers(graph: Graph, stem: str) -> list[Node]:
    """Return the nodes that may have written the file, by name, by kind, or all if none is recognised."""
    used = {link.node for node in graph.values() for _, link in node.links()}
    ends = [node for node in graph.values() if node.id not in used and any(node.links())]
    # A file's name begins with the prefix of its saver, which tells several savers in one graph apart.
    named = [node for node in ends if (prefix := _prefix(node)) and stem.startswith(prefix)]
    video = [node for node in ends if _SAVES.search(node.kind) and _SAVES_VIDEO.search(node.kind)]
    both = [node for node in named if node in video]
    return both or named or video or ends or list(graph.values())


def _prefix(node: Node) -> str:
    prefix = node.inputs.get("filename_prefix")
    # "video/%date:yyyy%/clip": folders and placeholders are no part of the file's name.
    return PurePath(prefix.replace("\\", "/")).name.partition("%")[0] if isinstance(prefix, str) else ""


def _upstream(graph: Graph, begin: Sequence[Node]) -> Iterator[Node]:
    """Yield the nodes upstream of others, nearest first, without the models and their loaders."""
    # Breadth first, so that the order is that of distance.
    waiting, seen = list(begin), {node.id for node in begin}
    while waiting:
        node = waiting.pop(0)
        yield node
        for name, link in node.links():
            following = graph.get(link.node)
            if following is not None and following.id not in seen and not _MODEL_SIDE.search(name):
                seen.add(following.id)
                waiting.append(following)


def _is_sampler(node: Node) -> bool:
    conditions = [name for name, _ in node.links() if _CONDITION.search(name) and not _PICTURE_SIDE.search(name)]
    if not conditions or _NO_SAMPLER.search(node.kind):
        return False
    # Packages name their samplers as they like, but each takes a model beside its conditioning.
    return bool(_SAMPLES.search(node.kind)) or any(name == "model" for name, _ in node.links())


def _sampler_texts(search: _PromptSearch, node: Node, role: Role) -> list[str]:
    """Return the texts behind the conditioning of a sampler."""
    # Samplers with a text field of their own need no encoder.
    literal = [node.inputs[name] for name in _text_inputs(role) if isinstance(node.inputs.get(name), str)]
    seen = frozenset({node.id})
    if node.link(role) is not None:
        return _texts(search, node.link(role), role, seen)
    if literal:
        return [literal[0]]
    found: list[str] = []
    for name, link in node.links():
        if _CONDITION.search(name) and not _PICTURE_SIDE.search(name):
            # Guiders and the embeddings of video wrappers carry both sides through one link.
            shared = name == "guider" or name.endswith(("embeds", "embeddings"))
            if shared or _is_negative(name) == (role == "negative"):
                found += _texts(search, link, role, seen, shared=shared)
    return found


def _texts(
    search: _PromptSearch, link: NodeLink | None, role: Role, seen: frozenset[str], *, shared: bool = False
) -> list[str]:
    """Return the texts from which conditioning was encoded."""
    node = search.node(link, seen)
    if node is None or link is None or node.id in seen or _EMPTIES.search(node.kind):
        return []
    seen |= {node.id}
    if node.link("positive") is not None and node.link("negative") is not None:
        # Nodes with both sides hand on the positive one at their first output, the negative one at their second.
        sides: dict[int, Role] = {} if shared else {0: "positive", 1: "negative"}
        side = sides.get(link.slot, role)
        return _texts(search, node.link(side), side, seen)
    found = _encoded(search, node, role, seen)
    if found is not None:
        return found
    names = [name for name, _ in node.links() if _CONDITION.search(name) and not _PICTURE_SIDE.search(name)]
    names = [name for name in names if name == role] or [name for name in names if _fits(name, role)]
    if not names:
        # A reroute or a switch: its inputs may have any name.
        names = [name for name, _ in node.links() if not _MODEL_SIDE.search(name) and not _PICTURE_SIDE.search(name)]
    return list(dict.fromkeys(chain.from_iterable(_texts(search, node.link(name), role, seen) for name in names)))


def _is_negative(name: str) -> bool:
    return "neg" in name or "uncond" in name


def _fits(name: str, role: Role) -> bool:
    return _is_negative(name) == (role == "negative") or name.startswith(("cond", "text_embeds"))


def _text_inputs(role: Role) -> tuple[str, ...]:
    return _POSITIVE_TEXTS if role == "positive" else _NEGATIVE_TEXTS


def _encoded(search: _PromptSearch, node: Node, role: Role, seen: frozenset[str]) -> list[str] | None:
    """Return the texts of a node that holds some: an encoder, or a loader that encodes. None for any other node."""
    held = {name for name in (*_POSITIVE_TEXTS, *_NEGATIVE_TEXTS) if name in node.inputs}
    texts = {name: text for name in held if (text := _string(search, node, name, seen)) is not None}
    if not texts:
        return None
    # An encoder of a single text serves either side: which one, only its link says.
    has_sides = any(name in texts for name in _NEGATIVE_TEXTS) and any(name in texts for name in _POSITIVE_TEXTS)
    names = _text_inputs(role) if has_sides else (*_POSITIVE_TEXTS, *_NEGATIVE_TEXTS)
    # Encoders with two or three text models mostly get the same text for each.
    return list(dict.fromkeys(texts[name] for name in names if texts.get(name)))


def _string(search: _PromptSearch, node: Node, name: str, seen: frozenset[str]) -> str | None:
    """Return the text of an input: its value, or the text that upstream nodes compose; None if it is no text."""
    value = node.inputs[name]
    if isinstance(value, str):
        return value
    before = search.node(value, seen) if isinstance(value, NodeLink) else None
    if before is None or before.id in seen:
        return None
    # A new set for each branch: two inputs may share a node, but a loop must end.
    seen |= {before.id}
    if _COMPUTES.search(before.kind):
        search.notes.append(f"words made by {_name(before)} while the graph ran are not in the file")
    parts = []
    for inner in sorted((name for name in before.inputs if _STRINGS.match(name)), key=_order):
        part = _string(search, before, inner, seen)
        if part:
            parts.append(part)
    if "populated_text" in before.inputs and isinstance(before.inputs["populated_text"], str):
        # The text after wildcards were filled in, which the node keeps beside the one before.
        parts = [before.inputs["populated_text"]]
    if not parts:
        passed = [_string(search, before, other, seen) for other, _ in before.links() if not _MODEL_SIDE.search(other)]
        parts = [part for part in passed if part]
    delimiter = before.inputs.get("delimiter", before.inputs.get("separator", ", "))
    return (delimiter if isinstance(delimiter, str) else ", ").join(dict.fromkeys(parts)) if parts else None


def _order(name: str) -> tuple[int, str]:
    number = re.search(r"\d+$", name)
    # Numbers by value: string_2 comes before string_10.
    return (int(number[0]) if number else -1, name)


def _without_sampler(search: _PromptSearch, file_name: str) -> GraphPrompt:
    """Return the texts of the nearest node with any: nodes that call a service have no sampler upstream."""
    for node in _upstream(search.graph, _savers(search.graph, PurePath(file_name).stem)):
        positive = _first_text(search, node, "positive")
        if positive:
            note = f"the graph has no sampler that is known; taken are the words of {_name(node)}"
            negative = _first_text(search, node, "negative")
            return GraphPrompt(positive=positive, negative=negative, node=_name(node), notes=(*search.notes, note))
    return GraphPrompt(notes=tuple(dict.fromkeys(search.notes)))


def _first_text(search: _PromptSearch, node: Node, role: Role) -> str:
    texts = (_string(search, node, name, frozenset({node.id})) for name in _text_inputs(role) if name in node.inputs)
    return next((text.strip() for text in texts if text and text.strip()), "")


def _joined(texts: Sequence[str]) -> str:
    return ", ".join(dict.fromkeys(text.strip().strip(",") for text in texts if text.strip()))


def _name(node: Node) -> str:
    return f"{node.kind} {node.id}"
