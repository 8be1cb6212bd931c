"""Prompt cleaning: what happens in the picture stays, syntax of picture models and quality tags go."""

from __future__ import annotations

import pytest
from avlink_genvideo.infotext import read_infotext
from avlink_genvideo.prompt_cleaning import clean_negative, clean_prompt, is_quality_phrase
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("written", "left"),
    [
        ("a dog runs through dry leaves", "a dog runs through dry leaves"),
        ("masterpiece, best quality, (a dog runs:1.3) through [dry] leaves, ((barking))", "a dog runs through dry "
         "leaves, barking"),
        ("a dog, <lora:dogs_v2:0.8>, <lyco:x:1:0.5>, embedding:EasyNegative, 8k uhd, highly detailed", "a dog"),
        ("score_9, score_8_up, (rain:1.2)++, BREAK thunder AND lightning", "rain, thunder lightning"),
        ("[cat:dog:0.5] on a {red|blue} roof, \\(film\\), __weather__ storm", "dog on a red roof, (film), storm"),
        ("A woman walks on cobblestone. The camera pans. High quality, 4K.", "A woman walks on cobblestone. The camera "
         "pans."),
        ("RAW photo, 35mm film grain, DSLR, explosion of glass, Unreal Engine 5", "explosion of glass"),
        ("视频, 一只狗在跑, 4k", "视频, 一只狗在跑"),
        ("# a note\nsteps on gravel // not this", "steps on gravel // not this"),
        ("a gun shot, shot", "a gun shot, shot"),
        ("masterpiece, 4k", ""),
        ("(((", ""),
        ("", ""),
    ],
)  # fmt: skip
def test_what_is_left_of_a_picture_s_prompt(written: str, left: str) -> None:
    assert clean_prompt(written) == left


@given(st.text(max_size=200))
def test_any_text_gives_one_clean_line_and_giving_it_again_changes_nothing(text: str) -> None:
    left = clean_prompt(text)
    assert "\n" not in left and left == left.strip()
    assert clean_prompt(clean_prompt(left)) == clean_prompt(left)


@given(st.lists(st.sampled_from(["dog", "rain", "glass", "door", "wooden", "steps"]), min_size=1, max_size=6))
def test_no_word_of_what_happens_is_lost(words: list[str]) -> None:
    text = ", ".join(f"({word}:1.{len(word)})" if len(word) % 2 else word for word in words)
    assert clean_prompt(f"masterpiece, {text}, 8k") == ", ".join(words)


@pytest.mark.parametrize(
    "phrase", ["masterpiece", "8K UHD", "highly detailed", "cinematic lighting", "film grain", "score_9"]
)
def test_quality_phrases_is_known(phrase: str) -> None:
    assert is_quality_phrase(phrase)


@pytest.mark.parametrize("phrase", ["film", "a video", "a shot", "a high wall", "quality street", "rain", ""])
def test_what_may_be_meant_is_no_quality_phrase(phrase: str) -> None:
    assert not is_quality_phrase(phrase)


def test_of_a_picture_s_negative_only_what_is_heard_stays() -> None:
    assert clean_negative("blurry, (worst quality:1.4), music, people talking, watermark") == "music, people talking"
    assert clean_negative("色调艳丽, 过曝, low quality") == ""


INFOTEXT = """a dog barks, (rain:1.2)
<lora:x:1>
Negative prompt: blurry,
music
Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Lora hashes: "x: 1a, y: 2b", Version: v1.6"""


def test_webui_s_text_falls_into_its_parts() -> None:
    found = read_infotext(INFOTEXT)
    assert found is not None
    assert found.positive == "a dog barks, (rain:1.2)\n<lora:x:1>"
    assert found.negative == "blurry,\nmusic"
    assert found.settings["Seed"] == "1" and found.settings["Lora hashes"] == '"x: 1a, y: 2b"'


@pytest.mark.parametrize(
    ("text", "positive"),
    [
        ("rain\nSteps: 4, Sampler: Euler, CFG scale: 1, Seed: 3", "rain"),
        ("rain\nNegative prompt: sun", "rain"),
        ("rain\r\nNegative prompt: sun\r\nSteps: 4, Sampler: Euler, Seed: 3", "rain"),
        ("Negative prompt: sun\nSteps: 4, Sampler: Euler, Seed: 3", ""),
        ("Steps: 4, Sampler: Euler, Seed: 3", ""),
    ],
)
def test_parts_may_be_missing(text: str, positive: str) -> None:
    found = read_infotext(text)
    assert found is not None and found.positive == positive


@pytest.mark.parametrize("text", ["", "Lavf60.3.100", "made with love", "Steps: they were slow", "note: a, b, c"])
def test_other_texts_are_no_infotext(text: str) -> None:
    assert read_infotext(text) is None
