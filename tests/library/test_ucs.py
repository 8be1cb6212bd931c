from __future__ import annotations

import csv
from pathlib import Path

import pytest

from avlink.library.ucs import categories_of, find_category, infer_category, parse_name, vocabulary
from avlink.library.words import split_words

SOUNDS = Path(__file__).parents[2] / ".." / "shared" / "sounds"
# Categories in which a person would look for the sounds of an action.
_FIT = {
    "footstep": {"FOOTSTEPS", "FOLEY"},
    "gun": {"GUNS", "BULLETS", "LASERS", "WEAPONS"},
    "explosion": {"EXPLOSIONS", "WEATHER", "DESIGNED", "FIREWORKS"},
    "ui": {"USER INTERFACE", "MECHANICAL", "BEEPS", "COMPUTERS", "ELECTRICITY", "GAMES"},
    "door": {"DOORS", "VEHICLES", "WINDOWS", "DRAWERS", "BELLS", "SCIFI"},
}


def guess(text: str) -> str:
    found = infer_category(dict.fromkeys(split_words(text), 1.0))
    return found.catid if found else ""


def test_the_vocabulary_is_whole_and_has_no_explanations() -> None:
    assert len(vocabulary()) == 752
    assert all(one.category.isupper() and one.synonyms for one in vocabulary().values())


def test_a_name_of_ucs_is_taken_apart() -> None:
    parsed = parse_name("DOORWood-KITCHEN_Slam Hard_AVL_Lib1_take_2")
    assert parsed is not None
    assert (parsed.catid, parsed.user_category, parsed.fx_name) == ("DOORWood", "KITCHEN", "Slam Hard")
    assert (parsed.creator, parsed.source, parsed.user_data) == ("AVL", "Lib1", "take_2")
    for name in ("door_slam_01", "DOORWood", "Wood_rain_x_y", ""):
        assert parse_name(name) is None
    # In another case only a name with all four parts is meant as one.
    assert parse_name("doorwood_slam_avl_lib1") is not None
    assert parse_name("doorwood_slam") is None


@pytest.mark.parametrize("catid", ["DOORWood", "doorwood", "DOORS-WOOD", "doors wood"])
def test_a_category_is_found_by_id_and_by_name(catid: str) -> None:
    found = find_category(catid)
    assert found is not None and found.catid == "DOORWood"


@pytest.mark.parametrize(
    ("text", "catid"),
    [
        ("door close wood", "DOORWood"),
        ("metal impact clang", "METLImpt"),
        ("glass break", "GLASBrk"),
        ("water splash", "WATRSplsh"),
        ("cat meow", "ANMLCat"),
        ("ui click 03", "UIClick"),
        ("walk grass 2", "FEETMisc"),
        ("horse footsteps", "FEETHors"),
        ("take 03 final", ""),
        ("qzx", ""),
    ],
)
def test_words_lead_to_a_category(text: str, catid: str) -> None:
    assert guess(text) == catid


def test_every_category_is_found_by_its_own_name() -> None:
    wrong = [
        one.catid
        for one in vocabulary().values()
        if (found := infer_category(dict.fromkeys(split_words(f"{one.category} {one.subcategory}"), 1.0))) is not None
        and found.category != one.category
    ]
    # "MISC" and "GENERAL" say nothing, and some categories are named by words of others.
    assert len(wrong) <= 0.08 * len(vocabulary()), wrong


def test_a_word_leads_to_categories_unless_too_many_have_it() -> None:
    assert "METLImpt" in categories_of("clang")
    assert categories_of("miscellaneous") == () == categories_of("qzx")


def test_categories_of_real_names_fit_their_action() -> None:
    if not SOUNDS.is_dir():
        pytest.skip("there is no folder shared/sounds beside the checkout")
    with (SOUNDS / "manifest.tsv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    right = found = 0
    for row in rows:
        if row["action"] in _FIT and (catid := guess(Path(row["file"]).stem)):
            found += 1
            right += vocabulary()[catid].category in _FIT[row["action"]]
    assert found > 300
    assert right / found > 0.75, (right, found)
