"""The generator: a clip's hits, from its request or a spotter, and the sound that is assembled for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from avlink import (
    Hit,
    HitSpotter,
    MediaChanged,
    OnStep,
    SoundGenerator,
    SoundOrigin,
    SoundRequest,
    SoundSource,
    SoundWish,
    SpooledSound,
    open_library_index,
    read_whole,
    to_index,
)
from avlink_library.adapted import AdaptedFrames
from avlink_library.assemble import Assembly, Strike, assemble, assemble_ambience, missing_notes, tried, use_of
from avlink_library.item_sound import item_blocks
from avlink_library.items import read_item
from avlink_library.lay import InMemory, Laid
from avlink_library.options import LibraryOptions
from avlink_library.render import RATE, Renderer
from avlink_library.shape import shape_of, shaped
from avlink_library.shelf import Fitting, digest_of, sounds_for
from avlink_library.wanted import ambience, as_planned


class AssembledSound(SpooledSound):
    """A sound with the recordings that it was made of."""

    origin = SoundOrigin()


class LibraryGenerator:
    """A `SoundGenerator` that lays recordings on hits. `fallback` makes the sound of hits that no recording fits."""

    sample_rate = RATE

    def __init__(self, options: LibraryOptions, spotter: HitSpotter, fallback: SoundGenerator | None = None) -> None:
        self.picture = spotter.picture
        self._options, self._spotter, self._fallback = options, spotter, fallback
        self._renderer = Renderer(options)

    def generate(self, requests: Sequence[SoundRequest], *, on_step: OnStep | None = None) -> Sequence[SoundSource]:
        """Return one sound per request, in mono at 48 kHz.

        Raises LibraryError without libraries, MediaChanged where their sounds are not those of the plan any more.
        """
        made = []
        for number, request in enumerate(requests):
            made.append(self._sound(request))
            if on_step is not None:
                on_step(number + 1, len(requests))
        return made

    def _sound(self, request: SoundRequest) -> SoundSource:
        if request.item:
            return self._item(request)
        wish = SoundWish(
            prompt=request.prompt, hits=request.hits, base_hits=request.base_hits, is_ambience=request.is_ambience
        )
        fitting = sounds_for(wish, self._options)
        if request.material and request.material != digest_of(fitting):
            raise MediaChanged("sounds of the libraries have changed since the run began; run it again")
        assembly, notes, is_bed = self._assembly(request, fitting)
        more: tuple[Laid, ...] = ()
        if assembly.missing and self._fallback is not None:
            more = (Laid(start=0, sound=self._made(request, assembly.missing, self._fallback)),)
        elif assembly.missing:
            notes = (*notes, *missing_notes(assembly.missing, request.prompt.text))
        blocks = self._renderer.blocks(assembly, to_index(request.duration_s, RATE), ambience=is_bed, more=more)
        sound = AssembledSound(blocks, sample_rate=RATE, channels=1)
        sound.origin = SoundOrigin(uses=assembly.uses, notes=notes)
        return sound

    def _item(self, request: SoundRequest) -> SoundSource:
        """Return the sound of one item, which was chosen when the run was planned."""
        assert request.hits is not None and len(request.hits) == 1, "an item is the sound of one hit"
        with open_library_index() as index:
            one = read_item(request.item, index, request.hits[0])
        sound = AssembledSound(item_blocks(one, request, self._renderer), sample_rate=RATE, channels=1)
        sound.origin = SoundOrigin(uses=(use_of(one.single.sound if isinstance(one, Strike) else one.sound),))
        return sound

    def _assembly(self, request: SoundRequest, fitting: Fitting) -> tuple[Assembly, tuple[str, ...], bool]:
        """Return what is laid, sentences on what is not, and whether it is a bed."""
        prompt, hits = request.prompt.text, request.hits
        if hits is None and not request.is_ambience:
            found = self._spotter.spot(request.frames)
            hits = tuple(as_planned(hit) for hit in found if hit.confidence >= self._options.min_confidence)
        if hits or request.hits is not None:
            return assemble(hits or (), request.base_hits, prompt, fitting, request.seed, self._options), (), False
        bed = ambience(prompt)
        assembly = assemble_ambience(bed, request.duration_s, fitting, request.seed)
        notes: tuple[str, ...] = ()
        if not assembly.stretches:
            seen = "" if request.is_ambience else "no hits were seen, and "
            notes = (f"{seen}no loop or bed of the libraries fits; tried {tried(bed)}; it is silent",)
        return assembly, notes, True

    def _made(self, request: SoundRequest, missing: Sequence[Hit], fallback: SoundGenerator) -> InMemory:
        """Return the sound of another generator for hits, at 48 kHz."""
        asked = replace(
            request,
            frames=AdaptedFrames(request.frames, fallback.picture),
            hits=tuple(missing),
            base_hits=None,
            material="",
        )
        (answer,) = fallback.generate([asked])
        wave = read_whole(answer)
        mono = wave.samples.mean(axis=0, dtype=np.float32)
        shape = shape_of(len(mono), 0, rate=wave.sample_rate, out_rate=RATE, speed=Fraction(1))
        return InMemory(shaped(mono, shape, out_rate=RATE))
