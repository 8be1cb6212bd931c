"""Generation: from requests to sound (V2A), picture (A2V), or both."""

from avlink.engine.sample.base import SampleConfig
from avlink.engine.sample.both import generate_both
from avlink.engine.sample.pictures import PictureSampler
from avlink.engine.sample.sound import SoundSampler

__all__ = ["PictureSampler", "SampleConfig", "SoundSampler", "generate_both"]
