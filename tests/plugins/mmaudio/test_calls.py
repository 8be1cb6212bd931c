"""The stand-in is called as MMAudio is: the signatures of its public calls, recorded from MMAudio's source."""

from __future__ import annotations

import inspect
from importlib import import_module
from pathlib import Path
from typing import Literal

import pytest

# Read in https://github.com/hkchengrex/MMAudio, and in unchanged copies of it where a file was not at hand there:
# eval_utils.py at 7a01dbe, networks.py at 4ee4483 of it; features_utils.py at 3bbc12f of LeXwDeX/MMAudio;
# flow_matching.py at 3cca975 and sequence_config.py at d3cd41f of zsxkib/cog-mmaudio.
SIGNATURES = {
    "mmaudio.eval_utils:generate": "clip_video, sync_video, text, *, negative_text=None, feature_utils, net, fm, rng, "
    "cfg_strength, clip_batch_size_multiplier=40, sync_batch_size_multiplier=40, image_input=False",
    "mmaudio.model.networks:get_my_mmaudio": "name, **kwargs",
    "mmaudio.model.networks:MMAudio.load_weights": "self, src_dict",
    "mmaudio.model.networks:MMAudio.update_seq_lengths": "self, latent_seq_len, clip_seq_len, sync_seq_len",
    "mmaudio.model.networks:MMAudio.ode_wrapper": "self, t, latent, conditions, empty_conditions, cfg_strength",
    "mmaudio.model.networks:MMAudio.preprocess_conditions": "self, clip_f, sync_f, text_f",
    "mmaudio.model.networks:MMAudio.get_empty_conditions": "self, bs, *, negative_text_features=None",
    "mmaudio.model.networks:MMAudio.predict_flow": "self, latent, t, conditions",
    "mmaudio.model.networks:MMAudio.unnormalize": "self, x",
    "mmaudio.model.flow_matching:FlowMatching": "min_sigma=0.0, inference_mode='euler', num_steps=25",
    "mmaudio.model.flow_matching:FlowMatching.to_data": "self, fn, x0",
    "mmaudio.model.utils.features_utils:FeaturesUtils": "*, tod_vae_ckpt=None, bigvgan_vocoder_ckpt=None, "
    "synchformer_ckpt=None, enable_conditions=True, mode=Literal['16k', '44k'], need_vae_encoder=True",
    "mmaudio.model.utils.features_utils:FeaturesUtils.encode_video_with_clip": "self, x, batch_size=-1",
    "mmaudio.model.utils.features_utils:FeaturesUtils.encode_video_with_sync": "self, x, batch_size=-1",
    "mmaudio.model.utils.features_utils:FeaturesUtils.encode_text": "self, text",
    "mmaudio.model.utils.features_utils:FeaturesUtils.decode": "self, z",
    "mmaudio.model.utils.features_utils:FeaturesUtils.vocode": "self, mel",
    "mmaudio.model.sequence_config:SequenceConfig": "duration, sampling_rate, spectrogram_frame_rate, "
    "latent_downsample_rate=2, clip_frame_rate=8, sync_frame_rate=25, sync_num_frames_per_segment=16, "
    "sync_step_size=8, sync_downsample_rate=2",
}


def recorded(text: str) -> list[tuple[str, object, object]]:
    spaces: dict = {"Literal": Literal}
    exec(f"def call({text}): pass", spaces)
    return shape(spaces["call"])


def shape(call: object) -> list[tuple[str, object, object]]:
    return [(one.name, one.kind, one.default) for one in inspect.signature(call).parameters.values()]


@pytest.mark.parametrize("place", SIGNATURES)
def test_the_stand_in_is_called_as_mmaudio_is(standin: Path, place: str) -> None:
    module, _, path = place.partition(":")
    found = import_module(module)
    assert Path(found.__file__).is_relative_to(standin)
    for name in path.split("."):
        found = getattr(found, name)
    assert shape(found) == recorded(SIGNATURES[place])


@pytest.mark.parametrize(
    ("kind", "seconds", "lengths"),
    [
        ("16K", 8.0, (250, 64, 192)),
        ("44K", 8.0, (345, 64, 192)),
        ("16K", 5.0, (157, 40, 112)),
        ("44K", 5.0, (216, 40, 112)),
    ],
)
def test_and_counts_as_mmaudio_does(standin: Path, kind: str, seconds: float, lengths: tuple[int, int, int]) -> None:
    from dataclasses import replace

    from mmaudio.model import sequence_config

    found = replace(getattr(sequence_config, f"CONFIG_{kind}"), duration=seconds)
    assert (found.latent_seq_len, found.clip_seq_len, found.sync_seq_len) == lengths
