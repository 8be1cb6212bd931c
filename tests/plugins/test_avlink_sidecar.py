from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from avlink_sidecar import plugin

from avlink.core.errors import PluginError
from avlink.core.recipe import SonifyRecipe, check_values
from avlink.core.values import Prompt
from avlink.hooks import (
    ClipSettings,
    MissingMedia,
    RunClip,
    RunHooks,
    RunProject,
    RunStem,
    make_registry,
    resolve_run_hooks,
)

REGISTRY = make_registry(avlink_sidecar=plugin)
SETTINGS = ClipSettings(prompt=Prompt(text="a sound", negative="music"), seed=3)


def hooks(listener: Callable[..., None] = print, **options: object) -> RunHooks:
    recipe = check_values(SonifyRecipe, {"plugins": {"avlink_sidecar": options}} if options else {})
    return resolve_run_hooks(recipe, REGISTRY, listener=listener)


def clip(media: Path, *, has_own_prompt: bool = False) -> RunClip:
    return RunClip(
        id="1",
        name="door",
        track="V1",
        timeline_start_s=Fraction(0),
        timeline_duration_s=Fraction(2),
        media=media,
        media_start_s=Fraction(0),
        media_duration_s=Fraction(2),
        speed=Fraction(1),
        has_own_prompt=has_own_prompt,
        project=media.with_name("cut.otio"),
        direction="v2a",
    )


def stem(path: Path) -> RunStem:
    media = path.with_name("door.mp4")
    return RunStem(path=path, clip=clip(media), take=1, prompt=SETTINGS.prompt, seed=1, cached=False)


def made(path: Path, content: bytes = b"") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


class TestMediaRoots:
    @staticmethod
    def find(folder: Path, name: str, **options: object) -> Path | None:
        media = MissingMedia(url=f"/gone/{name}", name=name, folder=folder, clip="c", track="V1", direction="v2a")
        return hooks(**options).resolve_media(media)

    def test_nothing_is_found_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        made(tmp_path / "footage" / "door.mp4")
        assert self.find(tmp_path, "door.mp4") is None

    def test_folders_of_the_recipe_start_from_the_project(self, tmp_path: Path) -> None:
        door = made(tmp_path / "footage" / "day 1" / "door.mp4")
        for root in ("footage", str(tmp_path / "footage"), "../" + tmp_path.name):
            found = self.find(tmp_path, "door.mp4", media_roots=[root])
            assert found is not None and found.resolve() == door

    @pytest.mark.parametrize("place", ["", "edit"])
    def test_the_list_lies_beside_the_project_or_one_folder_above(self, tmp_path: Path, place: str) -> None:
        door = made(tmp_path / "footage" / "door.mp4")
        (tmp_path / "media_roots.txt").write_text("# day 1\n\n  footage  \n", encoding="utf-8")
        folder = tmp_path / place
        folder.mkdir(exist_ok=True)
        assert self.find(folder, "door.mp4") == door
        assert self.find(folder, "door.mp4", media_roots_file="") is None
        assert self.find(folder / "deeper", "door.mp4") == (door if not place else None)

    def test_the_first_folder_wins_then_the_exact_name_then_the_highest_file(self, tmp_path: Path) -> None:
        made(tmp_path / "a" / "x" / "DOOR.mp4")
        exact = made(tmp_path / "a" / "x" / "y" / "door.mp4")
        high = made(tmp_path / "b" / "door.mp4")
        made(tmp_path / "b" / "a" / "door.mp4")
        assert self.find(tmp_path, "door.mp4", media_roots=["a", "b"]) == exact
        assert self.find(tmp_path, "door.mp4", media_roots=["b", "a"]) == high
        assert self.find(tmp_path, "Door.MP4", media_roots=["b", "a"]) == high

    def test_proxies_have_another_suffix(self, tmp_path: Path) -> None:
        proxy = made(tmp_path / "proxies" / "A001.mov")
        assert self.find(tmp_path, "A001.mxf", media_roots=["proxies"]) is None
        assert self.find(tmp_path, "A001.mxf", media_roots=["proxies"], any_suffix=True) == proxy

    def test_a_list_that_cannot_be_read_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "media_roots.txt").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(PluginError, match=r"plugin 'avlink_sidecar' failed .* list of media folders"):
            self.find(tmp_path, "door.mp4")

    def test_folders_that_do_not_exist_hold_nothing(self, tmp_path: Path) -> None:
        assert self.find(tmp_path, "door.mp4", media_roots=["nowhere"]) is None


class TestPrompts:
    @pytest.fixture
    def media(self, tmp_path: Path) -> Path:
        (tmp_path / "door.prompt.txt").write_text("A heavy door\n\nfalls shut.\nNegative: voices\n", encoding="utf-8")
        return tmp_path / "door.mp4"

    def test_the_file_beside_the_media_is_the_prompt_if_the_recipe_asks_for_it(self, media: Path) -> None:
        assert hooks().clip_prompt(clip(media), SETTINGS) == SETTINGS
        found = hooks(prompts=True).clip_prompt(clip(media), SETTINGS)
        assert found == ClipSettings(prompt=Prompt(text="A heavy door falls shut.", negative="voices"), seed=3)

    def test_words_of_the_project_come_first(self, media: Path) -> None:
        assert hooks(prompts=True).clip_prompt(clip(media, has_own_prompt=True), SETTINGS) == SETTINGS

    def test_a_clip_without_a_file_keeps_its_settings(self, media: Path) -> None:
        assert hooks(prompts=True).clip_prompt(clip(media.with_name("car.mp4")), SETTINGS) == SETTINGS

    def test_what_the_file_does_not_say_stays(self, media: Path) -> None:
        file = media.with_name("door.prompt.txt")
        for text, wanted in (("", SETTINGS.prompt), ("negative: hum", Prompt(text="a sound", negative="hum"))):
            file.write_text(text)
            assert hooks(prompts=True).clip_prompt(clip(media), SETTINGS).prompt == wanted

    @pytest.mark.parametrize(("content", "said"), [(b"\xff\xfe", "cannot be read"), (b"a" * 5000, "has 5000 char")])
    def test_a_file_that_cannot_be_used_is_named(self, media: Path, content: bytes, said: str) -> None:
        media.with_name("door.prompt.txt").write_bytes(content)
        with pytest.raises(PluginError, match=f"door.prompt.txt {said}"):
            hooks(prompts=True).clip_prompt(clip(media), SETTINGS)


class TestChecksums:
    def test_nothing_is_written_unless_it_is_asked_for(self, tmp_path: Path) -> None:
        wav = made(tmp_path / "cut.stems" / "door.wav", b"1")
        project = RunProject(input=tmp_path, outputs=(wav,), stems=(), failed=0, direction="v2a")
        hooks().stem_written(stem(wav))
        hooks().project_written(project)
        assert [path.name for path in tmp_path.rglob("*.*") if path.is_file()] == ["door.wav"]

    @pytest.mark.skipif(sys.platform != "linux", reason="sha256sum is a program of Linux")
    def test_sha256sum_agrees(self, tmp_path: Path) -> None:
        folder = tmp_path / "cut.stems"
        wavs = [made(folder / f"{name}.wav", name.encode()) for name in ("door", "a car", "rain")]
        output = made(tmp_path / "cut.foley.otio", b"{}")
        observing = hooks(checksums=True)
        for wav in wavs:
            observing.stem_written(stem(wav))
        observing.project_written(
            RunProject(input=tmp_path / "cut.otio", outputs=(output,), stems=tuple(wavs), failed=0, direction="v2a")
        )
        for at, file, count in ((folder, "SHA256SUMS", 3), (tmp_path, "cut.foley.otio.sha256", 4)):
            done = subprocess.run(["sha256sum", "-c", file], cwd=at, capture_output=True, text=True, check=True)
            assert done.stdout.count("OK") == count

    def test_a_stem_has_one_sum_and_one_that_is_gone_has_none(self, tmp_path: Path) -> None:
        wav, other = made(tmp_path / "door.wav", b"1"), made(tmp_path / "car.wav", b"2")
        observing = hooks(checksums=True)
        for path in (wav, other, wav):
            observing.stem_written(stem(path))
        sums = tmp_path / "SHA256SUMS"
        assert [line.partition("  ")[2] for line in sums.read_text().splitlines()] == ["car.wav", "door.wav"]
        before = sums.read_text()
        wav.write_bytes(b"3")
        observing.stem_written(stem(wav))
        assert sums.read_text() != before
        other.unlink()
        observing.stem_written(stem(wav))
        assert "car.wav" not in sums.read_text()

    def test_a_stem_that_cannot_be_read_is_a_warning(self, tmp_path: Path) -> None:
        told: list[object] = []
        hooks(told.append, checksums=True).stem_written(stem(tmp_path / "none.wav"))
        assert "plugin 'avlink_sidecar' failed in avlink_stem_written: FileNotFoundError" in str(told)


def test_its_options_set_what_the_recipe_says() -> None:
    sets = {option.name: option.sets for option in REGISTRY.command_options.values()}
    assert sets == {
        "prompt-files": "plugins.avlink_sidecar.prompts",
        "checksums": "plugins.avlink_sidecar.checksums",
    }
