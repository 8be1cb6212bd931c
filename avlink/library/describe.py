"""The description of a sound: words and category by its name, folders, tags and sheet; licence and author."""

from __future__ import annotations

from pathlib import PurePosixPath

from avlink.library.sheets import Row
from avlink.library.tags import Tags, tags_of
from avlink.library.thesaurus import joined_words, word_parts
from avlink.library.ucs import UcsCategory, find_category, infer_category, parse_name
from avlink.library.values import Description
from avlink.library.words import distinct, phrases, split_words

DESCRIPTION_VERSION = 3
"""Raised when the same file gives another description, so that libraries are described anew."""

_FOLDER_WEIGHT, _TEXT_WEIGHT = 0.5, 0.5
_MOST_WORDS = 400
_LOOP_WORDS = frozenset(("loop", "loopable", "looping", "seamless"))


def describe(name: str, tags: Tags, row: Row, *, licence: str = "") -> Description:
    """Return the description of the sound `name`, its path below the root of its library.

    `row` are the cells of its sheet, `licence` is that of its folder. A category is taken from the file name in the
    form of UCS, else from the sheet, else from the tags, else it is inferred from the words.
    """
    path = PurePosixPath(name)
    parsed = parse_name(path.stem)
    stated = tags_of(list(row.items()))
    named = f"{parsed.user_category} {parsed.fx_name} {parsed.user_data}" if parsed else path.stem
    name_words = distinct(split_words(f"{named} {tags.title} {stated.title if stated.title != path.name else ''}"))
    text = " ".join(
        (stated.description, stated.keywords, stated.user_category, tags.description, tags.keywords, tags.user_category)
    )
    text_words = distinct(split_words(text))[:_MOST_WORDS]
    # Of a short path all folders say something; the name of the library often is that of the maker.
    folder_words = distinct(split_words(" ".join(reversed(path.parts[:-1]))))
    place = distinct((*folder_words, *split_words(f"{tags.library} {stated.library}")))
    # Names of makers and packs, which are those of folders, are no compounds.
    joined = (word for phrase in joined_words(phrases(f"{named} {tags.title}")) for word in phrase)
    parts = (part for word in name_words if word not in place for part in word_parts(word))
    name_words = distinct((*name_words, *joined, *parts))
    found, origin = _category(parsed.catid if parsed else "", stated, tags)
    if found is None:
        weighted = dict.fromkeys(folder_words, _FOLDER_WEIGHT) | dict.fromkeys(text_words, _TEXT_WEIGHT)
        found = infer_category(weighted | dict.fromkeys(name_words, 1.0))
        origin = "words" if found else ""
    category = distinct(
        split_words(
            f"{found.category} {found.subcategory}" if found else f"{tags.category} {tags.subcategory}",
        )
    )
    # The ID itself is a word as well, in one piece.
    category = (*category, found.catid.casefold()) if found else category
    return Description(
        name=" ".join(name_words),
        text=" ".join(text_words),
        category=" ".join(category),
        place=" ".join(place),
        catid=found.catid if found else "",
        catid_from=origin,
        licence=stated.licence or tags.licence or licence,
        author=stated.author or tags.author,
        is_loop=tags.is_loop or stated.is_loop or bool(_LOOP_WORDS & {*name_words, *text_words}),
    )


def _category(catid: str, stated: Tags, tags: Tags) -> tuple[UcsCategory | None, str]:
    """Return the category that somebody stated, with its origin."""
    found = find_category(catid) if catid else None
    if found is not None:
        return found, "name"
    for origin, told in (("sheet", stated), ("tags", tags)):
        for text in (told.catid, f"{told.category} {told.subcategory}" if told.subcategory else "", told.category):
            found = find_category(text) if text.strip() else None
            if found is not None:
                return found, origin
    return None, ""
