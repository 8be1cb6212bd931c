"""Laws of the sound that is assembled from a library: place, choice, level, locality, failures."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from avlink_library import plugin
from avlink_library.assemble import Assembly, Strike, assemble
from avlink_library.generator import LibraryGenerator
from avlink_library.options import LibraryOptions
from avlink_library.render import Renderer
from avlink_library.shape import duck_span
from avlink_library.shelf import material, sounds_for
from numpy.typing import NDArray

from avlink import Hit, LibraryError, MediaChanged, PictureSpec, Prompt, SoundRequest, SoundWish, Waveform
from avlink.core.events import ignore
from avlink.core.hashing import content_digest
from avlink.library.libraries import update_libraries
from tests.library.sounds import strikes, write_wav
from tests.plugins.library.conftest import StillSpotter, heard, knock, made, request

PLAIN = LibraryOptions(vary=False)


def singles(hits: tuple[Hit, ...], base: tuple[Hit, ...] | None = None, seed: int = 1, options=PLAIN):
    wish = SoundWish(prompt=Prompt(), hits=hits, base_hits=base)
    return assemble(hits, base, "", sounds_for(wish, options), seed, options).strikes


def rendered(*strikes: Strike) -> NDArray[np.float32]:
    """Two seconds of what strikes lay."""
    return np.concatenate(list(Renderer(PLAIN).blocks(Assembly(strikes=strikes), 96000)), axis=1)[0]


@pytest.mark.usefixtures("shared_library")
class TestPlace:
    @pytest.mark.parametrize("options", [PLAIN, LibraryOptions()], ids=["plain", "varied"])
    def test_the_transient_lies_on_the_hit_to_the_sample(self, options: LibraryOptions) -> None:
        times = (Fraction(1, 3), Fraction(1001, 1000), Fraction(12345, 8000))
        sound = heard(made(request(tuple(knock(str(time_s)) for time_s in times)), options))
        for time_s in times:
            at = round(time_s * 48000)
            near = np.abs(sound[at - 2400 : at + 2400])
            assert int(np.argmax(near)) == 2400

    def test_what_leads_to_the_transient_comes_before_it(self) -> None:
        sound = heard(made(request((knock(1),)), PLAIN))
        assert np.abs(sound[47000:47900]).max() > 0.001 and np.abs(sound[:40000]).max() == 0

    def test_a_tail_is_ducked_under_the_next_hit_of_the_same_sound(self) -> None:
        hits = (knock("0.5"), knock("0.6"))
        both = singles(hits)
        assert [one.next_s for one in both] == [hits[1].time_s, None]
        assert both[0].single.id != both[1].single.id
        one, other = (rendered(replace(each, next_s=None)) for each in both)
        begin, end = (24000 + round(at * 48000) for at in duck_span(Fraction(1, 10)))
        # The second begins to sound before its transient.
        ducked, lead = rendered(both[0]), int(np.flatnonzero(other)[0])
        np.testing.assert_array_equal(ducked[:begin], one[:begin])
        np.testing.assert_allclose(ducked[end:], one[end:] * 10 ** (-24 / 20), rtol=1e-5, atol=1e-9)
        assert begin > 24000 + 480 and end <= 28800 - 1200 and lead < 28800
        np.testing.assert_allclose(rendered(*both), ducked + other, atol=1e-6)

    def test_tails_ring_on_where_they_are_to_or_where_another_sound_strikes(self) -> None:
        hits = (knock("0.5"), knock("0.6"))
        assert [one.next_s for one in singles(hits, options=LibraryOptions(whole_tails=True))] == [None, None]
        step = Hit(time_s=Fraction(11, 20), words="footstep gravel")
        assert [one.next_s for one in singles((hits[0], step))] == [None, None]
        # Two that are heard as one, and two of which the first has rung out.
        for later in ("0.51", "1.5"):
            assert [one.next_s for one in singles((hits[0], knock(later)))] == [None, None]

    def test_hits_outside_of_the_clip_and_twice_on_a_sample(self) -> None:
        sound = made(request((knock(-30), knock(500), knock(1), knock(1)), seconds=2), PLAIN)
        samples = heard(sound)
        assert len(samples) == 96000 and 0.1 < np.abs(samples).max() <= 1
        assert int(np.argmax(np.abs(samples))) == 48000

    def test_no_hits_are_silence(self) -> None:
        sound = made(request(()))
        assert not heard(sound).any() and sound.origin.uses == () and sound.origin.notes == ()

    def test_a_range_lasts_as_long_as_it_is_marked(self) -> None:
        hit = Hit(time_s=Fraction(1), duration_s=Fraction(7), kind="slide", words="scrape metal")
        samples = np.abs(heard(made(request((hit,), seconds=9))))
        assert samples[:48000].max() == 0 and samples[8 * 48000 :].max() == 0
        level = np.sqrt(np.mean(samples[50000 : 50000 + 130 * 2400].reshape(-1, 2400) ** 2, axis=1))
        assert level.max() / level.min() < 1.3

    def test_ambience_fills_its_clip(self) -> None:
        sound = made(request(None, seconds=30, prompt="heavy rain", is_ambience=True))
        level = np.sqrt(np.mean(heard(sound).reshape(-1, 4800) ** 2, axis=1))
        assert [use.name for use in sound.origin.uses] == ["rain heavy.wav"]
        np.testing.assert_allclose(20 * np.log10(level), -36, atol=1)

    def test_a_spotter_is_asked_where_hits_are_not_known(self) -> None:
        sound = made(request(None, prompt="knock wood"), PLAIN, StillSpotter(knock("0.75"), knock("1.5", strength=0.1)))
        assert int(np.argmax(np.abs(heard(sound)))) == 36000


@pytest.mark.usefixtures("shared_library")
class TestChoice:
    def test_none_comes_twice_in_a_row_and_all_are_used(self) -> None:
        chosen = singles(tuple(knock(str(Fraction(n, 5))) for n in range(60)))
        names = [one.single.sound.name for one in chosen]
        assert all(a != b for a, b in itertools.pairwise(names))
        counts = Counter(names)
        assert len(counts) == 5 and min(counts.values()) >= 5

    def test_steps_alternate(self) -> None:
        hits = tuple(Hit(time_s=Fraction(n, 2), kind="step") for n in range(9))
        names = [one.single.sound.name for one in singles(hits)]
        assert names[::2] == names[:1] * 5 and names[1::2] == names[1:2] * 4 and names[0] != names[1]

    def test_level_follows_strength(self) -> None:
        for strength, peak_db in ((1.0, -6), (0.5, -15), (0.0, -24)):
            peak = np.abs(heard(made(request((knock(1, strength=strength),)), PLAIN))).max()
            assert 20 * np.log10(peak) == pytest.approx(peak_db, abs=0.01)

    def test_the_same_seed_gives_the_same_sound_and_another_another(self) -> None:
        hits = tuple(knock(str(Fraction(n, 4))) for n in range(7))
        one, same, other = (heard(made(request(hits, seed=seed))) for seed in (1, 1, 2))
        np.testing.assert_array_equal(one, same)
        assert not np.array_equal(one, other)

    def test_a_changed_hit_changes_only_what_it_lays(self) -> None:
        base = tuple(knock(str(n)) for n in range(1, 9))
        before = heard(made(request(base, seconds=10)))
        for hits in (
            (*base[:4], *base[5:]),
            (*base[:4], replace(base[4], strength=0.9), *base[5:]),
            (*base[:4], replace(base[4], words="footstep gravel"), *base[5:]),
            (*base[:5], knock("5.1"), *base[5:]),
        ):
            after = heard(made(request(hits, seconds=10, base_hits=base)))
            changed = np.flatnonzero(before != after) / 48000
            assert len(changed) and changed.min() > 4.8 and changed.max() < 5.5

    def test_words_that_nothing_fits_are_told_and_silent(self) -> None:
        sound = made(request((knock(1), Hit(time_s=Fraction(3, 2), words="xyzzy"))))
        (note,) = sound.origin.notes
        assert "a hit of the kind 'hit'" in note and "1.50 s" in note and "'xyzzy'" in note
        assert not heard(sound)[72000 - 2400 : 72000].any()

    def test_a_fallback_makes_the_hits_that_lack_a_sound_and_no_others(self) -> None:
        lacking = Hit(time_s=Fraction(3, 2), words="xyzzy")
        asked: list[SoundRequest] = []

        class Clicks:
            sample_rate, picture = 16000, PictureSpec(rate=Fraction(6), width=32, height=18)

            def generate(self, requests: Sequence[SoundRequest], *, on_step: object = None) -> list[Waveform]:
                asked.extend(requests)
                clicks = np.zeros((1, 32000), np.float32)
                clicks[0, 24000] = 0.5
                return [Waveform(samples=clicks, sample_rate=16000)]

        generator = LibraryGenerator(PLAIN, StillSpotter(), Clicks())
        (sound,) = generator.generate([request((knock(1), lacking))])
        assert [one.hits for one in asked] == [(lacking,)] and asked[0].frames.read(0, 12).shape == (12, 18, 32, 3)
        assert sound.origin.notes == ()
        alone = heard(made(request((knock(1),)), PLAIN))
        added = heard(sound) - alone
        assert int(np.argmax(np.abs(added))) == 72000 and np.abs(added[:71000]).max() < 1e-6

    def test_uses_name_licence_and_author(self) -> None:
        (use,) = made(request((knock(1),))).origin.uses
        assert (use.library, use.licence, use.author) == ("foley", "CC0-1.0", "Ann Onym")


class TestFiles:
    def test_material_is_that_of_the_sounds_that_fit(self, library: Path) -> None:
        options = LibraryOptions()
        wish = SoundWish(prompt=Prompt(), hits=(knock(1),))
        before = material(options, wish)
        moved = SoundWish(prompt=Prompt(), hits=(knock(2),))
        assert material(options, moved) == before
        write_wav(library / "glass break.wav", strikes([500], 9600, seed=50))
        update_libraries("foley", ignore, processes=1)
        assert material(options, wish) == before
        os.utime(library / "knock wood 3.wav", ns=(1, 1))
        assert material(options, wish) != before

    def test_a_sound_that_has_changed_is_not_used_before_it_is_read(self, library: Path) -> None:
        sounds = sorted(library.glob("knock*.wav"))
        for path in sounds[1:]:
            os.utime(path, ns=(1, 1))
        sounds[1].unlink()
        sound = made(request(tuple(knock(str(Fraction(n, 4))) for n in range(4))))
        assert [use.name for use in sound.origin.uses] == [sounds[0].name]

    def test_a_library_that_changes_during_a_run_is_an_error(self, library: Path) -> None:
        wish = SoundWish(prompt=Prompt(), hits=(knock(1),))
        planned = material(LibraryOptions(), wish)
        assert heard(made(request((knock(1),), material=planned))).any()
        next(iter(library.glob("knock*.wav"))).unlink()
        with pytest.raises(MediaChanged, match="run it again"):
            made(request((knock(1),), material=planned))

    def test_libraries_are_never_changed(self, library: Path) -> None:
        def state() -> dict[str, tuple[str, int]]:
            return {path.name: (content_digest(path), path.stat().st_mtime_ns) for path in library.iterdir()}

        before = state()
        made(request((knock(1),)))
        assert state() == before

    def test_a_sound_without_a_transient_begins_on_the_hit(self, library: Path) -> None:
        swell = (np.hanning(24000) * 0.3 * np.sin(np.arange(24000) * 0.05)).astype(np.float32)
        write_wav(library / "whoosh soft.wav", swell)
        update_libraries("foley", ignore, processes=1)
        sound = made(request((Hit(time_s=Fraction(1), words="whoosh"),)), PLAIN)
        assert [use.name for use in sound.origin.uses] == ["whoosh soft.wav"]
        assert np.abs(heard(sound)).max() == pytest.approx(10 ** (-15 / 20), rel=0.01)

    def test_one_clear_hit_goes_before_several(self, library: Path) -> None:
        write_wav(library / "knock wood 0 twice.wav", strikes([500, 9000], 19200, levels=(1, 0.15), seed=8))
        update_libraries("foley", ignore, processes=1)
        names = {use.name for use in made(request(tuple(knock(str(Fraction(n, 9))) for n in range(18)))).origin.uses}
        assert len(names) == 5 and "knock wood 0 twice.wav" not in names

    def test_no_library_is_an_error_that_tells_how_to_add_one(self) -> None:
        with pytest.raises(LibraryError, match="avlink library add"):
            plugin.fingerprint(LibraryOptions())

    def test_a_library_that_is_offline_is_an_error(self, library: Path) -> None:
        library.rename(library.with_name("unplugged"))
        with pytest.raises(LibraryError, match="connect its drive"):
            plugin.fingerprint(LibraryOptions(spotter="motion-peaks"))


@pytest.mark.usefixtures("shared_library")
@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell the most memory that was used")
def test_ten_thousand_hits_take_seconds_and_bounded_memory() -> None:
    import resource

    hits = tuple(knock(str(Fraction(n, 40)), strength=(n % 11) / 10) for n in range(10_000))
    made(request(hits[:100]))
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    sound = made(request(hits, seconds=250))
    # Kilobytes, of which the sound itself would be 48,000.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    assert time.process_time() - began < 60
    assert sound.num_samples == 250 * 48000
    assert all(np.abs(sound.read(at, at + 480000)).max() <= 1 for at in range(0, 12_000_000, 480000))
