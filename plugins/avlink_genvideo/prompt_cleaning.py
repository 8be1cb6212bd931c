"""Prompt cleaning: from the prompt of a picture model to a prompt for its sound.

Kept is every word about things that are seen and happen. Removed are weights such as "(rain:1.3)" and the brackets
around words, LoRA and embedding tags, keywords of prompt languages, and quality tags ("masterpiece, 4k").
"""

from __future__ import annotations

import re

_TAG = re.compile(r"<\s*(?:lora|lyco|loha|hypernet|wlr|lbw|clip|sks|refcontrol)[^<>]*>", re.IGNORECASE)
_EMBEDDING = re.compile(r"\bembedding:[\w.\-/\\]+(?::[\d.]+)?", re.IGNORECASE)
_WILDCARD = re.compile(r"__[\w\-./*]+__")
_COMMENT = re.compile(r"^[ \t]*(?:#\s|//)[^\n]*$|/\*[\s\S]*?\*/", re.MULTILINE)
# Keywords of WebUI's language; in lower case they are plain words.
_KEYWORD = re.compile(r"\b(?:BREAK|ADDCOMM|ADDBASE|ADDROW|ADDCOL)\b|\bAND(?=\s)")
_SCHEDULE = re.compile(r"\[([^\[\]:|]*):([^\[\]:|]*):\s*[\d.]+\s*\]")
_ALTERNATE = re.compile(r"\[([^\[\]:]*\|[^\[\]:]*)\]|\{([^{}]*\|[^{}]*)\}")
_WEIGHT = re.compile(r":\s*-?\d*\.?\d+\s*(?=[)\]])")
_ESCAPED = {r"\(": "\x01", r"\)": "\x02", r"\[": "\x03", r"\]": "\x04"}
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ATTENTION = re.compile(r"(?<=[\w)])(?:\+{1,4}|-{2,4})(?=[\s,.)]|$)")

_QUALITY = """
10-bit 1080p 1440p 16-bit 16k 2160p 24 24fps 2k 30 30fps 32k 35mm 4k 5 50mm 60 60fps 64k 720p 8-bit 85mm 8k a absurd
absurdres accurate amateur amazing and art artistic artstation award award-winning awesome background beautiful best
bokeh breathtaking canon cgi cinematic cinematography clean clear coherent color colorful colors colour colours
composition concept contrast crisp deep deepmasterpiece definition depth detail detailed details dof dramatic dslr
dynamic engine epic exceptional exposure exquisite extreme extremely f/1.4 f/1.8 f/2.8 fidelity field film fine
flawless focus footage fps global glow good gorgeous grade grading grain hd hdr hi-res high high-quality high-res
highest highly highres hyper hyper-realistic hyperdetailed hyperrealistic illumination illustration image imax in
incredible incredibly insane insanely intricate lens lifelike light lighting look lut masterpiece masterwork max
maximum micro motion movie natural newest nikon octane of on perfect photo photo-realistic photograph photography
photoreal photorealism photorealistic picture pixel polished post-processing pro professional professionally quality
rating_safe raw ray ray-tracing raytracing real realism realistic render rendered rendering resolution rich rule safe
score score_4 score_4_up score_5 score_5_up score_6 score_6_up score_7 score_7_up score_8 score_8_up score_9 sfw
shallow sharp sharpness shot soft sony source_anime source_photo standard studio stunning style subsurface super
super-resolution superb texture textures the tonal top traced tracing trending uhd ultra ultra-detailed ultra-hd
ultra-high ultra-realistic ultradetailed ultrarealistic unreal unreal-engine very vibrant video vivid volumetric
wallpaper winning with wlop
"""
# These also mean something that can be heard or seen, and count only beside others of the list.
_AMBIGUOUS = """
film movie video footage studio light style field engine real shot safe ray glow natural soft canon the a in on of and
with
"""
_QUALITY_WORDS = frozenset(_QUALITY.split())
_AMBIGUOUS_WORDS = frozenset(_AMBIGUOUS.split())

_SOUND = re.compile(
    r"\b(?:sounds?|audio|music\w*|melod\w*|song\w*|sing\w*|speech|speak\w*|talk\w*|voices?|vocals?|narrat\w*"
    r"|dialogue?|noises?|noisy|hiss\w*|hum|humming|buzz\w*|echo\w*|reverb\w*|loud\w*|silen\w*|quiet\w*|crackl\w*|click\w*|scream\w*|laugh\w*|applause"
    r"|cheer\w*|wind|rumble\w*)\b",
    re.IGNORECASE,
)


def is_quality_phrase(phrase: str) -> bool:
    """Return True for a phrase of quality tags only, such as "masterpiece", "8k uhd" or "highly detailed"."""
    words = [word.strip(".-") for word in re.findall(r"[\w/.+\-]+", phrase.casefold())]
    return bool(words) and all(word in _QUALITY_WORDS for word in words) and not _AMBIGUOUS_WORDS.issuperset(words)


def clean_prompt(text: str) -> str:
    """Return a picture's prompt without the parts that only a picture model understands, on one line."""
    # Control characters say nothing, and four of them stand for escaped brackets below.
    text = _COMMENT.sub(" ", _CONTROL.sub(" ", text.replace("\r\n", "\n")))
    for pattern in (_TAG, _EMBEDDING, _WILDCARD, _KEYWORD):
        text = pattern.sub(" ", text)
    for mark, sign in _ESCAPED.items():
        text = text.replace(mark, sign)
    for _ in range(8):
        # Nested ones from the inside out. Of [from:to:when] the last word is kept, of [a|b] the first.
        changed = _SCHEDULE.sub(lambda match: match[2] or match[1], text)
        changed = _ALTERNATE.sub(lambda match: (match[1] or match[2]).partition("|")[0], changed)
        if changed == text:
            break
        text = changed
    text = _ATTENTION.sub("", _WEIGHT.sub("", text))
    text = re.sub(r"[()\[\]{}]", " ", text)
    for mark, sign in _ESCAPED.items():
        text = text.replace(sign, mark[1])
    phrases = (phrase for phrase in re.split(r"[,\n;]+|(?<=[.!?])\s+", text) if phrase.strip())
    return _joined([phrase for phrase in phrases if not is_quality_phrase(phrase)])


def clean_negative(text: str) -> str:
    """Return the phrases of a picture's negative prompt that mention sound; the others name faults of pictures."""
    return ", ".join(phrase.strip() for phrase in re.split(r"[,.;]+", clean_prompt(text)) if _SOUND.search(phrase))


def _joined(phrases: list[str]) -> str:
    """Join phrases on one line, with a comma after those that do not end as a sentence."""
    joined = ""
    for phrase in phrases:
        phrase = " ".join(phrase.split()).strip(" ,")
        if phrase:
            joined += phrase if not joined else (" " if joined[-1] in ".!?" else ", ") + phrase
    return re.sub(r"\s+([,.!?;])", r"\1", joined).strip(" ,")
