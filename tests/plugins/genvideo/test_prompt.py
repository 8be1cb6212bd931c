"""The words are found where each writer leaves them, in real files; what is broken is named and passed over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from avlink_genvideo.metadata import MetadataText, read_metadata
from avlink_genvideo.prompt import FoundPrompt, extract_prompt

from avlink import read_tags

INFOTEXT = "rain on tin, (masterpiece:1.2)\nNegative prompt: music\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1"


def found_in(path: Path) -> FoundPrompt:
    tags = {} if path.suffix in {".webp", ".png", ".gif"} else read_tags(path)
    return extract_prompt(read_metadata(path, tags), file_name=path.name)


@pytest.mark.parametrize("movflags", ["use_metadata_tags", "use_metadata_tags+faststart"])
@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
def test_comfyui_s_tags(kit: Any, tmp_path: Path, suffix: str, movflags: str) -> None:
    tags = {"prompt": json.dumps(kit.simple_graph()), "workflow": json.dumps({"nodes": [], "links": []})}
    found = found_in(kit.write(tmp_path / f"a{suffix}", kit.strokes(4), tags=tags, movflags=movflags))
    assert (found.text, found.negative) == ("a stick strikes wood", "music")
    assert (found.as_written, found.negative_as_written) == (kit.POSITIVE, kit.NEGATIVE)
    assert found.location == f"the {suffix[1:]}'s tag prompt (KSampler 10)"


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_videohelpersuite_s_comment(kit: Any, tmp_path: Path, suffix: str) -> None:
    comment = json.dumps({"prompt": json.dumps(kit.simple_graph()), "workflow": {"nodes": [], "links": []}})
    found = found_in(kit.write(tmp_path / f"a{suffix}", kit.strokes(4), tags={"comment": comment}, movflags=""))
    assert found.text == "a stick strikes wood"


def test_a_prompt_that_was_encoded_twice(kit: Any, tmp_path: Path) -> None:
    tags = {"prompt": json.dumps(json.dumps(kit.simple_graph()))}
    assert found_in(kit.write(tmp_path / "a.mp4", kit.strokes(4), tags=tags)).text == "a stick strikes wood"


def test_a_workflow_alone(kit: Any, tmp_path: Path) -> None:
    nodes = [
        {"id": 4, "type": "CLIPTextEncode", "inputs": [], "widgets_values": ["a bell"]},
        {"id": 10, "type": "KSampler", "inputs": [{"name": "model", "link": 2}, {"name": "positive", "link": 1}]},
        {"id": 12, "type": "SaveVideo", "inputs": [{"name": "video", "link": 3}]},
    ]
    workflow = {"nodes": nodes, "links": [[1, 4, 0, 10, 1, "X"], [2, 9, 0, 10, 0, "X"], [3, 10, 0, 12, 0, "X"]]}
    path = kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={"workflow": json.dumps(workflow)})
    assert found_in(path).text == "a bell"


@pytest.mark.parametrize("name", ["comment", "description", "parameters", "title"])
def test_webui_s_text_in_any_field(kit: Any, tmp_path: Path, name: str) -> None:
    found = found_in(kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={name: INFOTEXT}))
    assert (found.text, found.negative) == ("rain on tin", "music")


def test_wan2gp_s_settings(kit: Any, tmp_path: Path) -> None:
    comment = json.dumps({"prompt": "waves on a beach", "negative_prompt": "blurry", "model_type": "t2v", "seed": 3})
    found = found_in(kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={"comment": comment}, movflags=""))
    assert (found.text, found.negative_as_written) == ("waves on a beach", "blurry")


def test_animated_webp(kit: Any, tmp_path: Path) -> None:
    exif = kit.comfy_exif(prompt=kit.simple_graph(), workflow={"nodes": [], "links": []})
    found = found_in(kit.write_image(tmp_path / "a.webp", kit.strokes(4), exif=exif))
    assert (found.text, found.location) == ("a stick strikes wood", "EXIF prompt (KSampler 10)")


@pytest.mark.parametrize("encoding", ["utf-16-be", "utf-16-le"])
def test_a_user_comment_in_either_byte_order(kit: Any, tmp_path: Path, encoding: str) -> None:
    from PIL import Image

    exif = Image.Exif()
    exif[0x8769] = {0x9286: b"UNICODE\0" + INFOTEXT.encode(encoding)}
    assert found_in(kit.write_image(tmp_path / "a.webp", kit.strokes(4), exif=exif)).text == "rain on tin"


def test_xmp(kit: Any, tmp_path: Path) -> None:
    packet = f"<x:xmpmeta><dc:description><rdf:Alt><rdf:li>{INFOTEXT}</rdf:li></rdf:Alt></dc:description></x:xmpmeta>"
    assert found_in(kit.write_image(tmp_path / "a.webp", kit.strokes(4), xmp=packet.encode())).text == "rain on tin"


def test_animated_png_has_texts_before_and_behind_its_pictures(kit: Any, tmp_path: Path) -> None:
    from PIL.PngImagePlugin import PngInfo

    behind, before = PngInfo(), PngInfo()
    behind.add(b"comf", b"prompt\0" + json.dumps(kit.simple_graph()).encode("latin-1"), after_idat=True)
    before.add_text("parameters", INFOTEXT)
    assert found_in(kit.write_image(tmp_path / "a.png", kit.strokes(4), pnginfo=behind)).text == "a stick strikes wood"
    assert found_in(kit.write_image(tmp_path / "b.png", kit.strokes(4), pnginfo=before)).text == "rain on tin"


def test_gif_s_comment(kit: Any, tmp_path: Path) -> None:
    assert (
        found_in(kit.write_image(tmp_path / "a.gif", kit.strokes(4), comment=INFOTEXT.encode())).text == "rain on tin"
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", json.dumps({"prompt": "hail on a roof", "negative_prompt": "music"})),
        ("a.json", json.dumps([{"parameters": {"prompt": "hail on a roof"}}])),
        ("a.mp4.json", json.dumps({"meta": {"positive_prompt": "hail on a roof"}})),
        ("a.txt", "hail on a roof\n"),
        ("a.txt", "hail on a roof\nNegative prompt: x\nSteps: 1, Sampler: a, Seed: 2"),
        ("a.txt", str({"parameters": "hail on a roof\nSteps: 1, Sampler: a, Seed: 2", "fps": 8})),
        ("a.mp4.txt", "\ufeffhail on a roof"),
    ],
)
def test_a_file_beside_it(kit: Any, tmp_path: Path, name: str, text: str) -> None:
    path = kit.write(tmp_path / "a.mp4", kit.strokes(4))
    (tmp_path / name).write_text(text, encoding="utf-8")
    found = found_in(path)
    assert (found.text, found.location) == ("hail on a roof", name)


def test_a_graph_beside_it(kit: Any, tmp_path: Path) -> None:
    path = kit.write(tmp_path / "a.mp4", kit.strokes(4))
    (tmp_path / "a.json").write_text(json.dumps(kit.simple_graph("thunder")))
    assert found_in(path).text == "thunder"


def test_what_was_run_counts_before_what_somebody_wrote(kit: Any, tmp_path: Path) -> None:
    tags = {"comment": INFOTEXT, "prompt": json.dumps(kit.simple_graph())}
    path = kit.write(tmp_path / "a.mp4", kit.strokes(4), tags=tags)
    (tmp_path / "a.txt").write_text("hail")
    assert found_in(path).text == "a stick strikes wood"


@pytest.mark.parametrize("broken", ['{"4": {"class_type": "CLIPText', "[" * 5000, '{"a": \x01}'])
def test_broken_json_is_named_and_the_next_text_is_read(kit: Any, tmp_path: Path, broken: str) -> None:
    path = kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={"prompt": broken, "comment": INFOTEXT})
    found = found_in(path)
    assert found.text == "rain on tin"
    assert found.notes == ("the mp4's tag prompt is no whole JSON and was not read",)


def test_nan_in_a_graph_is_no_obstacle(kit: Any, tmp_path: Path) -> None:
    graph = {**kit.simple_graph(), "99": {"class_type": "Random", "inputs": {}, "is_changed": [float("nan")]}}
    assert "NaN" in json.dumps(graph)
    assert found_in(kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={"prompt": json.dumps(graph)})).text


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_graph_of_ten_megabytes_is_read(kit: Any, tmp_path: Path, suffix: str) -> None:
    nodes = {str(100 + index): kit.encoder("x" * 5000) for index in range(2000)}
    text = json.dumps({**nodes, **kit.simple_graph()})
    assert len(text) > 10_000_000
    assert (
        found_in(kit.write(tmp_path / f"a{suffix}", kit.strokes(4), tags={"prompt": text})).text
        == "a stick strikes wood"
    )


def test_nothing_but_praise_is_no_prompt() -> None:
    found = extract_prompt([MetadataText(name="prompt", text="masterpiece, 8k", location="there")], file_name="a.mp4")
    assert found == FoundPrompt(notes=("the prompt in there says nothing but how good the picture shall be",))


@pytest.mark.parametrize("comment", ["Lavf60.16", "made by me", "https://example.org", "vid:v0f044gc0000"])
def test_a_comment_that_is_none_of_it_is_left_alone(kit: Any, tmp_path: Path, comment: str) -> None:
    assert found_in(kit.write(tmp_path / "a.mp4", kit.strokes(4), tags={"comment": comment})) == FoundPrompt()
