from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest

from avlink.core.errors import InputError, MediaError
from avlink.core.recipe.data import WebDatasetData
from avlink.training.data.webdataset import as_file, read_webdataset


def _tar(path: Path, members: dict[str, bytes]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def test_a_member_is_its_bytes_whatever_its_name_says(tmp_path: Path) -> None:
    film = bytes(range(256)) * 5
    _tar(tmp_path / "0.tar", {"../../escape.mp4": film, "../../escape.txt": b" a caption\n"})
    (clip,) = read_webdataset(WebDatasetData(folder=str(tmp_path), held_out=0), tmp_path).clips["train"]
    assert clip.caption == "a caption" and clip.size == len(film)
    with as_file(clip) as path:
        assert path.read_bytes() == film and path.suffix == ".mp4" and path.name == "clip.mp4"
    assert not path.exists()


def test_a_tar_that_was_cut_off_since_it_was_listed_is_the_files_fault(tmp_path: Path) -> None:
    _tar(tmp_path / "0.tar", {"a.mp4": b"x" * 5000, "a.txt": b"a"})
    (clip,) = read_webdataset(WebDatasetData(folder=str(tmp_path), held_out=0), tmp_path).clips["train"]
    (tmp_path / "0.tar").write_bytes((tmp_path / "0.tar").read_bytes()[:2000])
    with pytest.raises(MediaError, match=r"ends within 'a\.mp4'"), as_file(clip):
        pass
    with pytest.raises(InputError, match=r"no tar file .* fits data\.tars = '\*\.none'"):
        read_webdataset(WebDatasetData(folder=str(tmp_path), tars="*.none"), tmp_path)
