"""Words that say how good a picture shall be, and nothing of what is in it."""

from __future__ import annotations

import re

_WORDS = """
10-bit 1080p 1440p 16-bit 16k 2160p 24 24fps 2k 30 30fps 32k 35mm 4k 5 50mm 60 60fps 64k 720p 8-bit 85mm 8k a absurd
absurdres accurate amateur amazing and art artistic artstation award award-winning awesome background beautiful best
bokeh breathtaking canon cgi cinematic cinematography clean clear coherent color colorful colors colour colours
composition concept contrast crisp deep deepmasterpiece definition depth detail detailed details dof dramatic dslr
dynamic engine epic exceptional exposure exquisite extreme extremely f/1.4 f/1.8 f/2.8 fidelity field film fine
flawless focus footage fps global glow good gorgeous grade grading grain hd hdr hi-res high high-quality high-res
highest highly highres hyper hyper-realistic hyperdetailed hyperrealistic illumination illustration image imax in
incredible incredibly insane insanely intricate lens lifelike light lighting look lut masterpiece masterwork max
maximum micro motion movie natural newest nikon octane of on perfect photo photo-realistic photograph photography
photoreal photorealism photorealistic picture pixel polished post-processing pro professional professionally quality
rating_safe raw ray ray-tracing raytracing real realism realistic render rendered rendering resolution rich rule safe
score score_4 score_4_up score_5 score_5_up score_6 score_6_up score_7 score_7_up score_8 score_8_up score_9 sfw
shallow sharp sharpness shot soft sony source_anime source_photo standard studio stunning style subsurface super
super-resolution superb texture textures the tonal top traced tracing trending uhd ultra ultra-detailed ultra-hd
ultra-high ultra-realistic ultradetailed ultrarealistic unreal unreal-engine very vibrant video vivid volumetric
wallpaper winning with wlop
"""
# These alone say something that can be heard or seen, and are praise only beside others.
_WORDS_BESIDE_OTHERS = """
film movie video footage studio light style field engine real shot safe ray glow natural soft canon the a in on of and
with
"""
_PRAISE = frozenset(_WORDS.split())
_BESIDE_OTHERS = frozenset(_WORDS_BESIDE_OTHERS.split())


def is_quality_phrase(phrase: str) -> bool:
    """Whether a phrase says only how good a picture shall be: "masterpiece", "8k uhd", "highly detailed"."""
    words = [word.strip(".-") for word in re.findall(r"[\w/.+\-]+", phrase.casefold())]
    return bool(words) and all(word in _PRAISE for word in words) and not _BESIDE_OTHERS.issuperset(words)
