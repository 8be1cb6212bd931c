"""Descriptions: words, category, licence and author from names, folders, tags and sheets of every kind."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from avlink.core.errors import InputError
from avlink.library.credits import credits_text
from avlink.library.describe import describe
from avlink.library.licences import find_licence_file, read_licence
from avlink.library.sheets import Sheets
from avlink.library.tags import Tags, read_tags_of_sound
from avlink.library.values import Analysis, Description, Sound
from avlink.media.broadcast import BroadcastInfo, pack_bext
from avlink.media.wave import chunk
from tests.library.sounds import strikes, write_encoded, write_wav

SOUND = strikes([2400], 12000)
ASWG = (
    "<?xml version='1.0' encoding='UTF-8'?><BWFXML><NOTE>close perspective</NOTE><ASWG><catId>DOORWood</catId>"
    "<fxName>Barn Door Slam</fxName><creatorId>AVL</creatorId><originator>Ann Åkesson</originator>"
    "<rightsOwner>Barn Records</rightsOwner><isLoop>true</isLoop></ASWG>"
    "<USER><KEYWORDS>heavy, oak</KEYWORDS><LIBRARY>Barn</LIBRARY></USER></BWFXML>"
)


def info_list(**texts: bytes) -> bytes:
    return chunk(b"LIST", b"INFO" + b"".join(chunk(name.encode(), text) for name, text in texts.items()))


def test_bext_ixml_and_info_of_a_wave_file(tmp_path: Path) -> None:
    bext = pack_bext(BroadcastInfo(description="Large door, closed hard", originator=""), sample_rate=48000, channels=1)
    path = write_wav(
        tmp_path / "a.wav",
        SOUND,
        before=chunk(b"bext", bext) + chunk(b"JUNK", bytes(3)),
        after=chunk(b"iXML", ASWG.encode() + b"\0\0") + info_list(ICOP=b"CC BY 4.0\0", ISFT=b"x\0"),
    )
    tags = read_tags_of_sound(path)
    assert (tags.catid, tags.title, tags.library, tags.author) == ("DOORWood", "Barn Door Slam", "Barn", "Ann Åkesson")
    assert "Large door, closed hard" in tags.description and "close perspective" in tags.description
    assert tags.keywords == "heavy, oak"
    # The owner of the rights is no licence, and the first text of a field counts.
    assert tags.licence == "CC BY 4.0" and tags.is_loop


def test_texts_in_an_old_code_page(tmp_path: Path) -> None:
    tags = read_tags_of_sound(write_wav(tmp_path / "a.wav", SOUND, after=info_list(INAM="Tür zu".encode("cp1252"))))
    assert tags.title == "Tür zu"


@pytest.mark.parametrize(
    ("suffix", "codec"),
    [(".mp3", "libmp3lame"), (".flac", "flac"), (".m4a", "aac"), (".opus", "libopus"), (".aiff", "pcm_s16be")],
)
def test_tags_of_other_formats(tmp_path: Path, suffix: str, codec: str) -> None:
    said = {"title": "Tür 扉", "artist": "Ann", "comment": "oak, heavy", "copyright": "CC0"}
    path = write_encoded(tmp_path / f"a{suffix}", np.tile(SOUND, 2), 48000, codec, tags=said)
    tags = read_tags_of_sound(path)
    assert (tags.title, tags.author, tags.licence) == ("Tür 扉", "Ann", "CC0")
    assert "oak, heavy" in tags.description


def test_chunks_of_a_wave_file_that_flac_keeps(tmp_path: Path) -> None:
    path = write_encoded(tmp_path / "a.flac", SOUND, 48000, "flac")
    content = path.read_bytes()
    kept = b"riff" + chunk(b"iXML", ASWG.encode())
    # The stream information, 38 bytes after the mark, is the first block and here not the last.
    block = bytes([2]) + len(kept).to_bytes(3, "big") + kept
    path.write_bytes(content[:4] + bytes([content[4] & 0x7F]) + content[5:42] + block + content[42:])
    assert read_tags_of_sound(path).catid == "DOORWood"


@pytest.mark.parametrize(
    "body",
    [
        b"<BWFXML><NOTE>",
        b"<!DOCTYPE x [<!ENTITY a 'aaaa'>]><BWFXML><NOTE>&a;</NOTE></BWFXML>",
        b"\xff\xfe\xff",
        b"",
        b"<a>" * 5000,
    ],
)
def test_damaged_tags_leave_the_sound_usable(tmp_path: Path, body: bytes) -> None:
    path = write_wav(tmp_path / "a.wav", SOUND, after=chunk(b"iXML", body) + b"LIS")
    assert read_tags_of_sound(path) == Tags()


def test_a_size_beyond_the_end_of_the_file_ends_the_reading(tmp_path: Path) -> None:
    path = write_wav(tmp_path / "a.wav", SOUND, after=b"iXML" + struct.pack("<I", 0x7FFFFFFF) + b"<BWFXML/>")
    assert read_tags_of_sound(path) == Tags()


def sheets_of(root: Path, name: str, text: str, encoding: str = "utf-8") -> Sheets:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding=encoding, newline="")
    sheets = Sheets()
    sheets.add(root, root / name)
    return sheets


@pytest.mark.parametrize(
    ("name", "text", "encoding"),
    [
        ("list.csv", 'File Name,Description,License,Designer\nDoor.wav,"slam, heavy",CC0,Ann\n', "utf-8-sig"),
        ("list.csv", "filename;description;license;designer\r\ndoor;slam, heavy;CC0;Ann\r\n", "cp1252"),
        ("list.tsv", "file\tdescription\tlicence\tauthor\n.\\sub\\door.wav\tslam, heavy\tCC0\tAnn\n", "utf-8"),
        ("list.csv", 'file,description,licence,author\nsub/door.wav,"slam, heavy",CC0,Ann\n', "utf-16"),
        ("sub/list.csv", 'path,description,licence,author\ndoor.wav,"slam, heavy",CC0,Ann\n', "utf-8"),
    ],
)
def test_sheets_of_many_programs(tmp_path: Path, name: str, text: str, encoding: str) -> None:
    sheets = sheets_of(tmp_path, name, text, encoding)
    described = describe("sub/door.wav", Tags(), sheets.row("sub/door.wav"))
    assert (described.licence, described.author) == ("CC0", "Ann")
    assert {"slam", "heavy"} <= set(described.text.split())
    assert sheets.row("sub/window.wav") == {}


def test_tables_of_something_else_and_of_no_text(tmp_path: Path) -> None:
    assert sheets_of(tmp_path, "prices.csv", "item,price\ndoor,3\n").row("door.wav") == {}
    (tmp_path / "bad.csv").write_bytes(b"file\0,x\n")
    with pytest.raises(InputError, match="no text"):
        Sheets().add(tmp_path, tmp_path / "bad.csv")


def test_the_category_comes_from_the_surest_source() -> None:
    def origin(name: str, tags: Tags, **row: str) -> tuple[str, str]:
        described = describe(name, tags, row)
        return described.catid, described.catid_from

    tagged = Tags(catid="METLImpt")
    assert origin("DOORWood_Slam_A_B.wav", tagged, catid="GLASBrk") == ("DOORWood", "name")
    assert origin("rain.wav", tagged, category="GLASS", subcategory="BREAK") == ("GLASBrk", "sheet")
    assert origin("rain.wav", tagged) == ("METLImpt", "tags")
    assert origin("glass break.wav", Tags()) == ("GLASBrk", "words")
    assert origin("x1.wav", Tags(category="no such thing")) == ("", "")


def test_words_of_the_name_do_not_hold_the_parts_of_ucs() -> None:
    described = describe("Doors/DOORWood_Barn Slam_AVL_Lib1.wav", Tags(), {})
    assert described.name == "barn slam"
    assert described.category.split() == ["doors", "wood", "doorwood"]
    assert described.place == "doors"


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("License: (Creative Commons Zero, CC0)", "CC0-1.0"),
        ("These are CC-BY 4.0 sounds.", "CC-BY-4.0"),
        ("Creative Commons Attribution-NonCommercial 3.0", "CC-BY-NC-3.0"),
        ("Licensed under CC BY-SA 3.0", "CC-BY-SA-3.0"),
        ("Ask Ann.", "see License.txt"),
    ],
)
def test_a_licence_file_of_a_folder(tmp_path: Path, text: str, licence: str) -> None:
    (tmp_path / "License.txt").write_text(text)
    assert find_licence_file(["door.wav", "License.txt"]) == "License.txt"
    assert read_licence(tmp_path / "License.txt") == licence
    assert describe("a.wav", Tags(), {}, licence=licence).licence == licence
    assert describe("a.wav", Tags(licence="mine"), {}, licence=licence).licence == "mine"


def test_credits_name_every_sound_once_and_unknown_terms_last() -> None:
    analysis = Analysis(
        sample_rate=1, channels=1, num_samples=1, lufs=None, peak_db=0, kind="bed", brightness_hz=0, noise=0, hits=()
    )

    def sound(name: str, licence: str, author: str) -> Sound:
        described = Description(name="", text="", category="", place="", licence=licence, author=author)
        return Sound(
            library="foley",
            root=Path("x"),
            name=name,
            size_bytes=1,
            mtime_ns=1,
            digest="",
            description=described,
            analysis=analysis,
        )

    text = credits_text(
        [sound("b.wav", "CC-BY-4.0", "Ann"), sound("c.wav", "", ""), sound("a.wav", "CC-BY-4.0", "Ann")] * 2
    )
    assert text == "CC-BY-4.0, by Ann\n  foley: a.wav\n  foley: b.wav\n\nlicence not stated\n  foley: c.wav\n"
    assert credits_text([]) == ""
