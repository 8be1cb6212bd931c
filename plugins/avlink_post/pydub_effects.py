"""Effects of pydub, by name and in order, on sound as 32-bit integers; length, rate and channels stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from avlink import InputError, Waveform

if TYPE_CHECKING:
    from avlink_post.pydub_options import PydubOptions, StripSilence

_CHUNK_MS = 1


def apply_effects(sound: Waveform, options: PydubOptions) -> Waveform:
    """Return `sound` after every effect. Raises InputError for an effect that does not take so many channels."""
    if not options.effects or not sound.num_samples:
        return sound
    segment: Any = sound.to_pydub()
    for effect in options.effects:
        if effect.name == "strip_silence":
            segment = _silence_ends(segment, effect)
            continue
        if effect.name == "pan" and segment.channels != 2:
            raise InputError(
                f"pydub's effect 'pan' takes two channels, and this sound has {segment.channels}; leave it out"
            )
        segment = getattr(segment, effect.name)(**effect.model_dump(exclude={"name"}))
    return Waveform.from_pydub(segment)


def _silence_ends(segment: Any, effect: StripSilence) -> Any:
    """Return the segment with silence in place of what is quiet at its ends: what is left stays where it is.

    pydub's own `strip_silence` shortens the sound, and takes pauses within it as well.
    """
    from pydub.silence import detect_leading_silence

    frames = int(segment.frame_count())
    before, after = (
        max(0, int((quiet_ms - effect.padding) * segment.frame_rate / 1000))
        for quiet_ms in (
            detect_leading_silence(one, silence_threshold=effect.silence_thresh, chunk_size=_CHUNK_MS)
            for one in (segment, segment.reverse())
        )
    )
    before = min(before, frames)
    after = min(after, frames - before)
    data, width = segment.raw_data, segment.frame_width
    kept = data[before * width : len(data) - after * width]
    return segment._spawn(bytes(before * width) + kept + bytes(after * width))
