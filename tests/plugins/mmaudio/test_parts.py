"""Windows, pictures and weights, each by itself."""

from __future__ import annotations

import hashlib
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from avlink_mmaudio import weights as module
from avlink_mmaudio.pictures import Box, find_box, read_window
from avlink_mmaudio.weights import NETS, SYNC, VAES, Published, find_weights, md5_of
from avlink_mmaudio.windows import RATE, SHORTEST_S, join, plan_windows
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.errors import BundleError, InputError
from avlink.core.values import Frames

WINDOW, OVERLAP = Fraction(8), Fraction(1)


class TestWindows:
    @given(st.fractions(min_value=Fraction(1, 50), max_value=700, max_denominator=1001))
    def test_they_cover_a_clip_and_cross_each_other_once(self, duration_s: Fraction) -> None:
        windows = plan_windows(duration_s, WINDOW, OVERLAP)
        starts, lengths = zip(*windows, strict=True)
        if duration_s <= WINDOW:
            assert windows == ((0, max(duration_s, SHORTEST_S)),)
            return
        assert starts[0] == 0 and set(lengths) == {WINDOW}
        assert 0 <= starts[-1] + WINDOW - duration_s < Fraction(1, RATE)
        hops = [later - start for start, later in pairwise(starts)]
        assert max(hops) <= WINDOW - OVERLAP + Fraction(1, RATE)
        if len(hops) > 1:
            # No moment is crossed by two fades.
            assert min(hops) >= OVERLAP
        assert all((start * RATE).denominator == 1 for start in starts)

    @given(st.integers(100, 4000), st.integers(1, 30))
    def test_joined_windows_have_the_power_of_one(self, total: int, fade: int) -> None:
        dice = np.random.default_rng(total)
        starts = range(0, max(1, total - 60), 60)
        pieces = [(start, dice.standard_normal((1, 100), np.float32)) for start in starts]
        joined = np.concatenate([*join(iter(pieces), total, fade)], axis=1)
        assert joined.shape[1] == min(total, starts[-1] + 100)
        ones = [(start, np.ones((1, 100), np.float32)) for start in starts]
        level = np.concatenate([*join(iter(ones), total, fade)], axis=1)[0]
        assert level.min() >= 1 - 1e-6 and level.max() <= 2**0.5 + 1e-6
        # A fade in the middle of 40 samples that two share: outside of it each is heard as it is.
        assert np.array_equal(joined[:, : 80 - fade], pieces[0][1][:, : 80 - fade][:, : joined.shape[1]])

    def test_neighbours_that_only_touch_are_laid_end_to_end(self) -> None:
        pieces = [(0, np.ones((1, 4), np.float32)), (4, np.full((1, 4), 2, np.float32))]
        assert np.concatenate([*join(pieces, 8, 3)], axis=1).tolist() == [[1] * 4 + [2] * 4]


def still(height: int, width: int, top: int, left: int) -> Frames:
    """A picture between bars: a ramp from dark to bright, to the right and down."""
    picture = np.zeros((384, 680, 3), np.uint8)
    down, right = np.linspace(1, 120, height)[:, None], np.linspace(1, 120, width)[None]
    picture[top : top + height, left : left + width] = (down + right)[..., None].astype(np.uint8)
    return Frames(pixels=np.repeat(picture[None], 40, axis=0), rate=Fraction(25))


class TestPictures:
    @pytest.mark.parametrize(
        ("height", "width", "top", "left"),
        [(384, 680, 0, 0), (384, 512, 0, 84), (285, 680, 49, 0), (384, 216, 0, 232), (283, 680, 50, 0)],
    )
    def test_bars_are_taken_off(self, height: int, width: int, top: int, left: int) -> None:
        assert find_box(still(height, width, top, left)) == Box(top=top, left=left, height=height, width=width)

    def test_a_dark_sky_is_no_bar_and_night_is_all_picture(self) -> None:
        whole = Box(top=0, left=0, height=384, width=680)
        assert find_box(still(300, 680, 84, 0)) == whole
        assert find_box(Frames(pixels=np.zeros((9, 384, 680, 3), np.uint8), rate=Fraction(25))) == whole

    def test_clip_sees_all_of_it_and_synchronisation_its_middle(self) -> None:
        frames = still(384, 512, 0, 84)
        clip, sync = read_window(frames, find_box(frames), Fraction(0), 8, 32)
        assert clip.shape == (1, 8, 3, 384, 384) and sync.shape == (1, 32, 3, 224, 224)
        assert clip.dtype == sync.dtype and str(clip.dtype) == "torch.float32"
        # Corners of the whole picture: 2 and 240 of 255. The middle square lacks an eighth on both sides.
        assert float(clip[0, 0, 0, 0, 0]) * 255 == pytest.approx(2, abs=1)
        assert float(clip[0, 0, 0, -1, -1]) * 255 == pytest.approx(240, abs=1)
        assert (float(sync[0, 0, 0, 0, 0]) + 1) / 2 * 255 == pytest.approx(1 + 120 / 8, abs=2)
        assert (float(sync[0, 0, 0, -1, -1]) + 1) / 2 * 255 == pytest.approx(240 - 120 / 8, abs=2)

    def test_each_sees_the_picture_of_its_moment(self) -> None:
        numbered = np.broadcast_to(np.arange(250, dtype=np.uint8)[:, None, None, None], (250, 384, 680, 3))
        frames, box = Frames(pixels=numbered, rate=Fraction(25)), Box(top=0, left=0, height=384, width=680)
        clip, sync = read_window(frames, box, Fraction(49, 25), 64, 200)
        assert [round(float(one)) for one in (sync[0, :, 0, 0, 0] + 1) / 2 * 255] == [*range(49, 249)]
        moments = [Fraction(49, 25) + Fraction(index, 8) for index in range(64)]
        assert [round(float(one) * 255) for one in clip[0, :, 0, 0, 0]] == [int(at * 25) for at in moments]

    def test_the_last_picture_is_held(self) -> None:
        frames = Frames(pixels=np.full((3, 384, 680, 3), 90, np.uint8), rate=Fraction(25))
        frames.pixels[2] = 200
        clip, sync = read_window(frames, find_box(frames), Fraction(0), 5, 16)
        assert [round(float(one)) for one in (sync[0, :, 0, 0, 0] + 1) / 2 * 255] == [90, 90] + [200] * 14
        assert [round(float(one) * 255) for one in clip[0, :, 0, 0, 0]] == [90] + [200] * 4


class TestWeights:
    def test_each_missing_file_is_named_with_where_to_get_it(self, weights: Path, tmp_path: Path) -> None:
        with pytest.raises(BundleError, match=r"name their folder in backend\.options\.weights"):
            find_weights("", "", "large_44k_v2", published=True)
        with pytest.raises(BundleError, match="there is no folder"):
            find_weights(str(tmp_path / "none"), "", "large_44k_v2", published=True)
        needed: list[Published] = [NETS["large_44k_v2"], VAES["44k"], SYNC]
        for file in needed:
            with pytest.raises(BundleError) as caught:
                find_weights(str(tmp_path), str(weights / "hub"), "large_44k_v2", published=False)
            said = str(caught.value)
            assert file.place in said and file.url in said and file.size in said and "\n" not in said
            # Files may also lie side by side.
            (tmp_path / Path(file.place).name).write_bytes(b"x")
        with pytest.raises(BundleError, match=r"`hf download apple/DFN5B-CLIP-ViT-H-14-384 open_clip_config\.json"):
            find_weights(str(tmp_path), str(tmp_path / "hub"), "large_44k_v2", published=False)
        found = find_weights(str(tmp_path), str(weights / "hub"), "large_44k_v2", published=False)
        assert len(found.digests()) == 3 + 4 and found.vocoder is None

    def test_what_was_not_published_is_refused_with_its_digest(self, weights: Path, monkeypatch) -> None:
        with pytest.raises(BundleError) as caught:
            find_weights(str(weights), str(weights / "hub"), "small_16k", published=True)
        path = weights / "weights" / "mmaudio_small_16k.pth"
        mine = hashlib.md5(path.read_bytes()).hexdigest()
        assert (
            f"'{path}' ({path.stat().st_size} bytes) is not what MMAudio published (601 MB): its MD5 is {mine}"
            in str(caught.value)
        )
        for table, key in ((module.NETS, "small_16k"), (module.VAES, "16k")):
            file = table[key]
            known = hashlib.md5((weights / file.place).read_bytes()).hexdigest()
            monkeypatch.setitem(table, key, Published(place=file.place, url=file.url, md5=known, size=file.size))
        for name in ("SYNC", "VOCODER_16K"):
            file = getattr(module, name)
            known = hashlib.md5((weights / file.place).read_bytes()).hexdigest()
            monkeypatch.setattr(module, name, Published(place=file.place, url=file.url, md5=known, size=file.size))
        found = find_weights(str(weights), str(weights / "hub"), "small_16k", published=True)
        assert found.vocoder == weights / "ext_weights" / "best_netG.pt"

    def test_a_file_is_read_once_on_this_machine(self, tmp_path: Path, monkeypatch) -> None:
        path = tmp_path / "net.pth"
        path.write_bytes(b"weights")
        first = md5_of(path)
        with monkeypatch.context() as patch:
            patch.setattr(module.hashlib, "md5", None)
            assert md5_of(path) == first
        path.write_bytes(b"other weights")
        assert md5_of(path) == hashlib.md5(b"other weights").hexdigest() != first

    def test_the_hub_is_where_its_library_has_it(self, tmp_path: Path, monkeypatch) -> None:
        for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
            monkeypatch.delenv(name, raising=False)
        assert module.hub_folder() == Path.home() / ".cache" / "huggingface" / "hub"
        monkeypatch.setenv("HF_HOME", str(tmp_path))
        assert module.hub_folder() == tmp_path / "hub"
        monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "elsewhere"))
        assert module.hub_folder() == tmp_path / "elsewhere"


def test_fingerprints_are_of_contents_and_of_what_changes_the_sound(options, weights: Path, tmp_path: Path) -> None:
    import shutil

    from avlink_mmaudio.plugin import fingerprint

    copy = tmp_path / "copy"
    shutil.copytree(weights, copy, symlinks=True)
    same = options(weights=str(copy), hub=str(copy / "hub"))
    assert fingerprint(same) == fingerprint(options())
    for other in ({"steps": 3}, {"guidance": 1.0}, {"variant": "small_16k"}, {"clip_picture": False}):
        assert fingerprint(options(**other)) != fingerprint(options())
    with (copy / "ext_weights" / "v1-44.pth").open("ab") as file:
        file.write(b"!")
    assert fingerprint(same) != fingerprint(options())


def test_windows_that_would_not_move_on_are_refused(options) -> None:
    with pytest.raises(ValueError, match="more than a third of window_s"):
        options(window_s=2.0, overlap_s=1.0)


def test_a_package_that_is_not_there_is_named(monkeypatch) -> None:
    from avlink_mmaudio import package

    monkeypatch.setattr(package, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'mmaudio @ git\+https://github.com/hkchengrex/MMAudio@974010a'"):
        package.installed_package()
