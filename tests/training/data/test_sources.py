"""Which clips the tables and folders of other people name, by their own rules; nothing is decoded here."""

from __future__ import annotations

import io
import json
import tarfile
from fractions import Fraction
from pathlib import Path

import pytest
from pydantic import ValidationError

from avlink.core.errors import InputError
from avlink.core.recipe.data import (
    AudioSetData,
    FolderData,
    SidecarData,
    SourceData,
    VGGSoundData,
    WebDatasetData,
    without_places,
)
from avlink.training.data.source_clips import SourceClip, SourceListing
from avlink.training.data.sources import read_source
from avlink.training.data.youtube import file_names


def files(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


def read(data: SourceData) -> SourceListing:
    return read_source(data, Path(data.folder))


def captions(clips: list[SourceClip]) -> dict[str, str]:
    return {clip.label: clip.caption_within(5.16) for clip in clips}


def test_vggsound_by_its_own_table(tmp_path: Path) -> None:
    """The official name, people's names, folders, labels with commas, ids with hyphens and underscores."""
    files(
        tmp_path,
        "train/-A_b-cdefgh_000030.mp4",
        "x/BBBBBBBBBBB_7.mp4",
        "CCCCCCCCCCC_30000_40000.mkv",
        "DDDDDDDDDDD.webm",
    )
    files(tmp_path, "EEEEEEEEEEE_000000.mp4", ".hidden/FFFFFFFFFFF_000001.mp4", "EEEEEEEEEEE_000000.txt")
    (tmp_path / "vggsound.csv").write_text(
        '-A_b-cdefgh,30,"people eating, noodles",train\nBBBBBBBBBBB,7,dog barking,train\n'
        "CCCCCCCCCCC,30,hammering,train\nDDDDDDDDDDD,20,tap dancing,train\nEEEEEEEEEEE,0,sea waves,test\n"
        "FFFFFFFFFFF,1,hidden,train\nGGGGGGGGGGG,2,gone,test\n"
    )
    found = read(VGGSoundData(folder=str(tmp_path)))
    assert captions(found.clips["train"]) == {
        "train/-A_b-cdefgh_000030.mp4": "people eating, noodles",
        "x/BBBBBBBBBBB_7.mp4": "dog barking",
        "CCCCCCCCCCC_30000_40000.mkv": "hammering",
        "DDDDDDDDDDD.webm": "tap dancing",
    }
    assert captions(found.clips["held_out"]) == {"EEEEEEEEEEE_000000.mp4": "sea waves"}
    assert [missing.label for missing in found.missing] == ["FFFFFFFFFFF_000001", "GGGGGGGGGGG_000002"]
    # Files that were cut out begin where the clip does; of a file that may be the film, the film's length decides.
    starts = {clip.label: (clip.start_s, clip.cut_s) for clip in found.clips["train"]}
    assert starts["DDDDDDDDDDD.webm"] == (20, 10)
    assert set(starts.values()) == {(20, 10), (0, None)}
    assert len(read(VGGSoundData(folder=str(tmp_path), max_clips=2)).clips["train"]) == 2


def test_a_copy_of_vggsounds_table_with_a_header_is_read_and_another_table_is_not(tmp_path: Path) -> None:
    files(tmp_path, "BBBBBBBBBBB_000007.mp4")
    table = tmp_path / "vggsound.csv"
    table.write_text("youtube_id,start_seconds,label,split\nBBBBBBBBBBB,7,dog barking,train\n")
    assert len(read(VGGSoundData(folder=str(tmp_path))).clips["train"]) == 1
    table.write_text("BBBBBBBBBBB,7,dog barking,train\npath,caption\n")
    with pytest.raises(InputError, match="in line 2: its columns are YouTube id, start in seconds, label"):
        read(VGGSoundData(folder=str(tmp_path)))
    with pytest.raises(InputError, match=r"none\.csv cannot be read: No such file"):
        read(VGGSoundData(folder=str(tmp_path), table="none.csv"))
    with pytest.raises(InputError, match="is no folder"):
        read(VGGSoundData(folder=str(tmp_path / "nowhere"), table=str(table)))


def test_every_name_of_a_stretch_is_another(tmp_path: Path) -> None:
    names = list(file_names("s9d-2nhuJCQ", Fraction(30)))
    assert names[0] == "s9d-2nhuJCQ_000030" and names[-1] == "s9d-2nhuJCQ" and len(set(names)) == len(names)
    assert {"s9d-2nhuJCQ_30", "s9d-2nhuJCQ_30000", "s9d-2nhuJCQ_30000_40000", "s9d-2nhuJCQ_30.000_40.000"} <= set(names)


def test_audioset_strong_gives_captions_and_events(tmp_path: Path) -> None:
    files(tmp_path, "Ys9d-2nhuJCQ_30.000_40.000.mp4", "A_bcdefghij_0.mp4", "eval/CCCCCCCCCCC_10000.mp4")
    (tmp_path / "mid_to_display_name.tsv").write_text(
        "/m/053hz1\tCheering\n/m/05zppz\tMale speech, man speaking\n/t/dd00003\tTick\n"
    )
    head = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"
    (tmp_path / "audioset_train_strong.tsv").write_text(
        f"{head}s9d-2nhuJCQ_30000\t2.627\t7.237\t/m/053hz1\ns9d-2nhuJCQ_30000\t0.000\t10.000\t/m/05zppz\n"
        "A_bcdefghij_0\t9.0\t9.1\t/t/dd00003\ns9d-2nhuJCQ_30000\t4.5\t4.6\t/t/dd00003\n"
        "s9d-2nhuJCQ_30000\t6.0\t6.1\t/m/unknown\ngone1234567_0\t1.0\t2.0\t/m/053hz1\n"
    )
    (tmp_path / "audioset_eval_strong.tsv").write_text(f"{head}CCCCCCCCCCC_10000\t1.0\t2.0\t/m/053hz1\n")
    found = read(AudioSetData(folder=str(tmp_path)))
    speech, tick = found.clips["train"]
    # In the order in which they are heard in the clip; what sounds from its first moment on strikes nothing.
    assert speech.caption_within(5.16) == "Male speech, man speaking, Cheering, Tick"
    assert speech.caption_within(10.0).endswith("Tick, /m/unknown")
    assert speech.events_within(5.16) == ((2.627, "Cheering", 1.0), (4.5, "Tick", 1.0))
    assert tick.caption_within(5.16) == "Tick" and tick.events_within(5.16) == ()
    assert captions(found.clips["held_out"]) == {"eval/CCCCCCCCCCC_10000.mp4": "Cheering"}
    assert [missing.label for missing in found.missing] == ["gone1234567_0"]
    (tmp_path / "audioset_eval_strong.tsv").write_text(
        f"{head[:-1]}\tpresent\nCCCCCCCCCCC_10000\t0.0\t0.96\t/m/053hz1\tPRESENT\n"
    )
    with pytest.raises(InputError, match="its columns are segment_id, start_time_seconds, end_time_seconds, label"):
        read(AudioSetData(folder=str(tmp_path)))


def _tar(path: Path, members: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_webdataset_by_its_keys(tmp_path: Path) -> None:
    """Keys end at the first dot of the last part; members of a sample may lie apart."""
    _tar(
        tmp_path / "b.tar",
        {"v1.0/clip.mp4": b"1", "two.webm": b"22", "v1.0/clip.txt": b" a drum \n", "two.json": b'{"text": ["a", "b"]}'},
    )
    (tmp_path / "more").mkdir()
    _tar(
        tmp_path / "more" / "a.tar",
        {
            "mute.txt": b"no video", "bare.mov": b"3", "odd.mp4": b"4", "odd.json": b'{"x": 1}', "late.mkv": b"5",
            "late.json": b'{"caption": "late", "start_s": 1.5}', "other.seg.png": b"6", "../../up.mp4": b"7",
            "../../up.txt": b"above",
        },
    )  # fmt: skip
    found = read(WebDatasetData(folder=str(tmp_path), held_out=0))
    assert captions(found.clips["train"]) == {
        "b.tar/v1.0/clip.mp4": "a drum", "b.tar/two.webm": "a", "more/a.tar/late.mkv": "late",
        "more/a.tar/../../up.mp4": "above",
    }  # fmt: skip
    assert found.clips["train"][2].start_s == Fraction(3, 2)
    for clip in found.clips["train"]:
        assert clip.member is not None
        with clip.path.open("rb") as tar:
            tar.seek(clip.member.offset)
            assert tar.read(clip.member.size) in (b"1", b"22", b"5", b"7")
    assert {missing.label: missing.reason for missing in found.missing} == {
        "more/a.tar/mute": "it has no video: none of mp4, webm, mkv, mov",
        "more/a.tar/bare": "it has no caption: neither txt nor json",
        "more/a.tar/odd": "its caption cannot be read: its JSON has no caption",
    }


def test_a_tar_that_breaks_off_or_is_compressed_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    _tar(tmp_path / "whole.tar", {"a.mp4": b"1", "a.txt": b"a"})
    _tar(tmp_path / "packed.tar", {"b.mp4": b"2", "b.txt": b"b"}, "w:gz")
    _tar(tmp_path / "cut.tar", {"c.mp4": b"3", "c.txt": b"c", "d.mp4": b"4" * 2000})
    (tmp_path / "cut.tar").write_bytes((tmp_path / "cut.tar").read_bytes()[:2300])
    found = read(WebDatasetData(folder=str(tmp_path), held_out=0))
    assert set(captions(found.clips["train"])) == {"whole.tar/a.mp4", "cut.tar/c.mp4"}
    reasons = {missing.label: missing.reason for missing in found.missing}
    assert "copy it again, uncompressed" in reasons["packed.tar"]
    with pytest.raises(InputError, match="there is no tar file"):
        read(WebDatasetData(folder=str(tmp_path), tars="*.tgz"))


def test_captions_beside_the_files(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "deep/b.MOV", "c.mkv", "d.mp4", "notes.md")
    (tmp_path / "a.txt").write_text("wood\n", "utf-8")
    (tmp_path / "deep" / "b.json").write_text(json.dumps({"caption": "métal", "start_s": "1/3"}), "utf-8")
    (tmp_path / "d.json").write_text("[")
    found = read(SidecarData(folder=str(tmp_path), held_out=1))
    assert captions(found.clips["train"]) == {"a.mp4": "wood"}
    assert captions(found.clips["held_out"]) == {"deep/b.MOV": "métal"}
    assert found.clips["held_out"][0].start_s == Fraction(1, 3)
    assert [missing.label for missing in found.missing] == ["c.mkv", "d.mp4"]
    assert "no c.txt and no c.json" in found.missing[0].reason


def test_a_manifest(tmp_path: Path) -> None:
    files(tmp_path, "a.mp4", "b.mp4")
    manifest = tmp_path / "manifest.csv"
    manifest.write_text("start_s,path,caption\n,a.mp4,one\n2.5,b.mp4,two\n0,gone.mp4,three\n", "utf-8")
    found = read(FolderData(folder=str(tmp_path), held_out=1))
    assert [clip.start_s for split in found.clips.values() for clip in split] == [0, Fraction(5, 2)]
    assert [(missing.label, missing.reason) for missing in found.missing] == [("gone.mp4", "the file does not exist")]
    manifest.write_text("path,caption,start_s\na.mp4,one,-1\n")
    with pytest.raises(InputError, match="has in line 2 a start_s that is no time in seconds: '-1'"):
        read(FolderData(folder=str(tmp_path)))
    manifest.write_text("file,caption\n")
    with pytest.raises(InputError, match="needs the columns path and caption"):
        read(FolderData(folder=str(tmp_path)))


def test_a_file_keeps_its_key_where_its_folder_moves_and_gets_another_with_its_size(tmp_path: Path) -> None:
    for place in ("one/videos", "two/videos"):
        files(tmp_path / place, "a.mp4")
        (tmp_path / place / "a.txt").write_text(place)
    first, second = (read(SidecarData(folder=str(tmp_path / place))) for place in ("one/videos", "two/videos"))
    assert first.clips["train"][0].key == second.clips["train"][0].key
    (tmp_path / "two" / "videos" / "a.mp4").write_bytes(b"replaced")
    assert read(SidecarData(folder=str(tmp_path / "two/videos"))).clips["train"][0].key != first.clips["train"][0].key


def test_a_bundle_does_not_say_where_clips_lay() -> None:
    told = without_places(VGGSoundData(folder="/home/someone/vggsound", prepared="/scratch/x"))
    assert told == {"source": "vggsound", "media": "both", "held_out": 32, "crops": 0}


def test_clips_with_timed_labels_are_not_cropped() -> None:
    with pytest.raises(ValidationError, match="count from the start of a file"):
        AudioSetData(folder="x", crops=2)
