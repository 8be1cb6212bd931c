"""The same few clips in every layout that people have, with every fault that files have."""

from __future__ import annotations

import io
import json
import shutil
import sys
import tarfile
from pathlib import Path

import torch

from avlink.admin.foundry_sample import write_clip
from avlink.foundry import make_clips
from avlink.testing.footage import make_movie

sys.path.insert(0, str(Path(__file__).parent))
from tiny_recipe import MODEL, stages

PARTS = ("folder", "sidecar", "webdataset", "vggsound", "audioset")
IDS = ("-aaaaaaaaaa", "b_bbbbbbbbb", "ccccccccccc", "dddddddddd-", "eeeeeeeeeee")
"""A clip, another, one without sound, one that is too short, one that is broken."""
AUDIOSET = "segment_id\tstart_time_seconds\tend_time_seconds\tlabel\n"


def make_layouts(root: Path) -> list[str]:
    """Write all layouts into `root`, and recipe.toml that reads them together; returns the captions of the clips."""
    torch.set_num_threads(1)
    batch, plain = make_clips([3, 8], split="train"), root / "plain"
    plain.mkdir()
    for row in (0, 1):
        write_clip(batch, row, plain / f"{row}.mp4", scale=2)
    write_clip(batch, 0, plain / "2.mp4", scale=2, silent=True)
    make_movie(plain / "3.mp4", seconds=2)
    (plain / "4.mp4").write_bytes((plain / "1.mp4").read_bytes()[:20_000])
    captions = [info.caption for info in batch.clips]
    words = [*captions, "silent", "short", "broken"]
    videos = {name: root / name for name in PARTS}
    for folder in videos.values():
        folder.mkdir()
    rows = [f'{number}.mp4,"{words[number]}",0' for number in range(5)]
    (videos["folder"] / "manifest.csv").write_text("\n".join(["path,caption,start_s", *rows, "gone.mp4,gone,0"]) + "\n")
    for number in range(5):
        source = plain / f"{number}.mp4"
        shutil.copy(source, videos["folder"])
        shutil.copy(source, videos["sidecar"])
        if number % 2:
            (videos["sidecar"] / f"{number}.txt").write_text(words[number])
        else:
            (videos["sidecar"] / f"{number}.json").write_text(json.dumps({"caption": words[number]}))
        for tar_number in {number // 3}:
            with tarfile.open(videos["webdataset"] / f"{tar_number:06d}.tar", "a") as tar:
                tar.add(source, f"sample-{number}.mp4")
                content = words[number].encode()
                info = tarfile.TarInfo(f"sample-{number}.txt")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        (videos["vggsound"] / "video").mkdir(exist_ok=True)
        shutil.copy(source, videos["vggsound"] / "video" / f"{IDS[number]}_{30 + number:06d}.mp4")
        shutil.copy(source, videos["audioset"] / f"{IDS[number]}_{30 + number}000.mp4")
    shutil.copy(plain / "0.mp4", videos["sidecar"] / "uncaptioned.mp4")
    table = "".join(
        f'{IDS[number]},{30 + number},"{words[number]}",{"test" if number == 1 else "train"}\n' for number in range(5)
    )
    (videos["vggsound"] / "vggsound.csv").write_text(f"{table}fffffffffff,1,gone,train\n")
    strong = "".join(
        f"{IDS[number]}_{30 + number}000\t{start}\t{start + 1}\t/m/{mid}\n"
        for number in range(5)
        for start, mid in ((0.0, 1), (1.25 + number, 2), (9.0, 3))
    )
    (videos["audioset"] / "audioset_train_strong.tsv").write_text(f"{AUDIOSET}{strong}fffffffffff_0\t0\t1\t/m/1\n")
    (videos["audioset"] / "mid_to_display_name.tsv").write_text("/m/1\tRain\n/m/2\tWood\n/m/3\tLater\n")
    parts = "".join(
        f'[[data.parts]]\nsource = "{name}"\nfolder = "{name}"\nheld_out = {1 if name == "vggsound" else 0}\n'
        for name in PARTS
    )
    head = 'format = 1\nkind = "train"\nname = "all"\n[data]\nsource = "several"\n'
    (root / "recipe.toml").write_text(head + parts + MODEL + stages("vae audio video fusion_v2a", 1))
    return captions
