"""Inference (section 3.3): from requests to sound (V2A), pictures (A2V), or both at once, and from words alone.

Windows, seeds and guidance. The solver belongs in `engine.flow`, what is done with the result in `avlink.edit`.
"""

from avlink.core.sampling import SampleConfig
from avlink.engine.sampling.joint import JointSampler
from avlink.engine.sampling.pictures import PictureSampler
from avlink.engine.sampling.sound import SoundSampler
from avlink.engine.sampling.words import WordsSampler, parts_of

__all__ = ["JointSampler", "PictureSampler", "SampleConfig", "SoundSampler", "WordsSampler", "parts_of"]
