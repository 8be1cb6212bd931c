"""From words that describe a picture to words for its sound: what they say stays, how a picture model reads them goes.

Kept is every word of what is seen and happens. Removed are weights such as "(rain:1.3)" and the brackets around words,
LoRA and embedding tags, the marks of prompt languages, and phrases that only praise the picture ("masterpiece, 4k").
"""

from __future__ import annotations

import re

from avlink_genvideo.praise import is_quality_phrase

_TAG = re.compile(r"<\s*(?:lora|lyco|loha|hypernet|wlr|lbw|clip|sks|refcontrol)[^<>]*>", re.IGNORECASE)
_EMBEDDING = re.compile(r"\bembedding:[\w.\-/\\]+(?::[\d.]+)?", re.IGNORECASE)
_WILDCARD = re.compile(r"__[\w\-./*]+__")
_COMMENT = re.compile(r"^[ \t]*(?:#\s|//)[^\n]*$|/\*[\s\S]*?\*/", re.MULTILINE)
# Marks of WebUI's language, which are words only in capitals.
_MARK = re.compile(r"\b(?:BREAK|ADDCOMM|ADDBASE|ADDROW|ADDCOL)\b|\bAND(?=\s)")
_SCHEDULE = re.compile(r"\[([^\[\]:|]*):([^\[\]:|]*):\s*[\d.]+\s*\]")
_ALTERNATE = re.compile(r"\[([^\[\]:]*\|[^\[\]:]*)\]|\{([^{}]*\|[^{}]*)\}")
_WEIGHT = re.compile(r":\s*-?\d*\.?\d+\s*(?=[)\]])")
_ESCAPED = {r"\(": "\x01", r"\)": "\x02", r"\[": "\x03", r"\]": "\x04"}
_ATTENTION = re.compile(r"(?<=[\w)])(?:\+{1,4}|-{2,4})(?=[\s,.)]|$)")

_SOUND = re.compile(
    r"\b(?:sounds?|audio|music\w*|melod\w*|song\w*|sing\w*|speech|speak\w*|talk\w*|voices?|vocals?|narrat\w*"
    r"|dialogue?|noises?|noisy|hiss\w*|hum|humming|buzz\w*|echo\w*|reverb\w*|loud\w*|silen\w*|quiet\w*|crackl\w*|click\w*|scream\w*|laugh\w*|applause"
    r"|cheer\w*|wind|rumble\w*)\b",
    re.IGNORECASE,
)


def clean_prompt(text: str) -> str:
    """The words of a picture's prompt without what only a picture model understands, on one line."""
    text = _COMMENT.sub(" ", text.replace("\r\n", "\n"))
    for pattern in (_TAG, _EMBEDDING, _WILDCARD, _MARK):
        text = pattern.sub(" ", text)
    for mark, sign in _ESCAPED.items():
        text = text.replace(mark, sign)
    for _ in range(8):
        # From inside to outside: what a word becomes in the end, and the first of several that take turns.
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
    """The phrases of a picture's negative prompt that speak of sound: the others name faults of pictures."""
    return ", ".join(phrase.strip() for phrase in re.split(r"[,.;]+", clean_prompt(text)) if _SOUND.search(phrase))


def _joined(phrases: list[str]) -> str:
    """Phrases on one line: sentences end in their own mark, others in a comma."""
    joined = ""
    for phrase in phrases:
        phrase = " ".join(phrase.split()).strip(" ,")
        if phrase:
            joined += phrase if not joined else (" " if joined[-1] in ".!?" else ", ") + phrase
    return re.sub(r"\s+([,.!?;])", r"\1", joined).strip(" ,")
