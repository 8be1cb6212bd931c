"""Generation: from requests to sound (V2A), picture (A2V), or both."""

from avlink.engine.sampling.base import SampleConfig
from avlink.engine.sampling.joint import generate_joint
from avlink.engine.sampling.pictures import PictureSampler
from avlink.engine.sampling.sound import SoundSampler

__all__ = ["PictureSampler", "SampleConfig", "SoundSampler", "generate_joint"]
