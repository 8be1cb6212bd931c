"""The processors of stems: `declick`, `fades`, `peak_cap` and `pydub`."""

from __future__ import annotations

from avlink import hookimpl
from avlink.hooks import AudioProcessor
from avlink_post.options import DeclickOptions, FadesOptions, PeakCapOptions
from avlink_post.pydub_options import PydubOptions


@hookimpl
def avlink_audio_processors() -> list[AudioProcessor]:
    """Offer declick, fades, peak_cap and pydub."""
    return [
        AudioProcessor(name="declick", options=DeclickOptions, apply="avlink_post.declick:remove_clicks", whole=False),
        AudioProcessor(name="fades", options=FadesOptions, apply="avlink_post.fades:fade_ends", whole=False),
        AudioProcessor(name="peak_cap", options=PeakCapOptions, apply="avlink_post.peak_cap:cap_peak", whole=False),
        AudioProcessor(name="pydub", options=PydubOptions, apply="avlink_post.pydub_effects:apply_effects"),
    ]
