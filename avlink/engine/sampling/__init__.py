"""Inference (section 3.3): from requests to sound (V2A), pictures (A2V), or both at once, and from words alone.

Windows, seeds and guidance. The solver belongs in `engine.flow`, what is done with the result in `avlink.edit`.
"""

from avlink.core.sampling import SampleConfig
from avlink.engine.sampling.joint import JointSampler
from avlink.engine.sampling.pictures import PictureSampler
from avlink.engine.sampling.prompts import PromptSampler, components_for
from avlink.engine.sampling.sound import SoundSampler

__all__ = ["JointSampler", "PictureSampler", "PromptSampler", "SampleConfig", "SoundSampler", "components_for"]
