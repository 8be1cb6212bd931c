"""The date in stems: that of the media, so that equal stems have equal bytes in every run and on every machine."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import av
import opentimelineio as otio

from avlink import testing
from avlink.edit.sonify import SonifyRequest, sonify
from avlink.media.bwf import read_bwf_info
from avlink.session import open_session


def test_stems_have_the_date_of_their_media_and_the_same_bytes_in_every_run(kit: Any, tmp_path: Path) -> None:
    media = tmp_path / "dated"
    media.mkdir()
    kit.movie(media / "plain.mp4", seconds=1)
    with av.open(str(media / "plain.mp4")) as source, av.open(str(media / "dated.mp4"), "w") as target:
        target.metadata["creation_time"] = "2024-02-29T23:59:58Z"
        stream = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(source.streams.video[0]):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    found = []
    for folder in ("one", "two"):
        home = shutil.copytree(media, tmp_path / folder)
        for path in home.iterdir():
            # A copy is as old as the machine has it.
            os.utime(path, (0 if folder == "one" else 1_600_000_000,) * 2)
        timeline = kit.timeline_of(kit.clip("dated.mp4", 0, 12), kit.clip("plain.mp4", 0, 12))
        otio.adapters.write_to_file(timeline, str(home / "cut.otio"))
        session = open_session(device="cpu", registry=testing.fake_registry(), cache=tmp_path / f"cache {folder}")
        report = sonify(SonifyRequest(input=home / "cut.otio", recipe=kit.tone_recipe(home), device="cpu"), session)
        stems = [item.stems[0].path for item in report.items]
        dates = [(bext.date, bext.time) for bext in (read_bwf_info(path).bext for path in stems)]
        assert dates == [("2024-02-29", "23:59:58"), ("1970-01-01", "00:00:00")]
        found.append([(path.name, path.read_bytes()) for path in stems])
    assert found[0] == found[1]
