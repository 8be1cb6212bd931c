"""Failing components, as docs/plugins.md says: the sentence, the exit code, and what goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from avlink.testing import make_timeline

PLUGIN = """
from avlink import MediaError, Waveform, hookimpl, testing
from avlink.hooks import AudioProcessor, Backend, TimelineFormat


class Fussy(testing.ToneGenerator):
    "Fails at the clip that it is told of."

    def generate(self, requests, *, on_step=None):
        if any(request.prompt.text == "b" for request in requests):
            raise ValueError("no b, please")
        return super().generate(requests, on_step=on_step)


class Short(testing.ToneGenerator):
    "Half a sound."

    def generate(self, requests, *, on_step=None):
        made = super().generate(requests, on_step=on_step)
        return [Waveform(samples=wave.samples[:, ::2], sample_rate=wave.sample_rate) for wave in made]


def backend(name, load, fingerprint=lambda options: "1"):
    return Backend(name=name, direction="v2a", options=testing.ToneOptions, fingerprint=fingerprint, load=load)


@hookimpl
def avlink_backends():
    return [
        backend("unprinted", lambda options, device: Fussy(options), lambda options: 1 / 0),
        backend("unloaded", lambda options, device: 1 / 0),
        backend("nothing", lambda options, device: None),
        backend("fussy", lambda options, device: Fussy(options)),
        backend("short", lambda options, device: Short(options)),
    ]


def in_words(wave, options):
    from avlink import PluginError

    raise PluginError("the dongle is not plugged in")


@hookimpl
def avlink_audio_processors():
    half = lambda wave, options: Waveform(samples=wave.samples[:, ::2], sample_rate=wave.sample_rate)
    return [
        AudioProcessor(name="raising", apply=lambda wave, options: 1 / 0),
        AudioProcessor(name="halving", apply=half),
        AudioProcessor(name="silent", apply=lambda wave, options: None),
        AudioProcessor(name="wordy", apply=in_words),
    ]


@hookimpl
def avlink_timeline_formats():
    return [TimelineFormat(name="writing", suffix=".x", write=lambda timeline, path: path.write_text(1 / 0))]
"""


@pytest.mark.parametrize(
    ("settings", "code", "said"),
    [
        (["backend.name=unprinted"], 1, "backend 'unprinted' failed in its fingerprint: ZeroDivisionError"),
        (["backend.name=unloaded"], 1, "backend 'unloaded' failed in loading: ZeroDivisionError"),
        (["backend.name=nothing"], 1, "backend 'nothing' loaded NoneType, which is no generator"),
        (["backend.name=fussy"], 3, "b: failed: backend 'fussy' failed: ValueError: no b, please"),
        (["backend.name=short"], 3, "backend 'short' failed: it gave 8000 samples at 16000 Hz instead of 16000"),
        (['stems.post=["raising"]'], 3, "processor 'raising' failed: ZeroDivisionError: division by zero"),
        (['stems.post=["halving"]'], 3, "processor 'halving' turned (rate, channels, samples) (48000, 1, 48000) into"),
        (['stems.post=["silent"]'], 3, "processor 'silent' returned NoneType, which is no sound"),
        (['stems.post=["wordy"]'], 3, "the dongle is not plugged in"),
        (['write.also=["writing"]'], 1, "timeline format 'writing' failed: ZeroDivisionError"),
        (["backend.name=tone", "backend.options.step=1"], 2, "did you mean 'backend.options.steps'?"),
    ],
    ids=lambda value: str(value[0] if isinstance(value, list) else ""),
)
def test_it_is_as_the_page_says(
    avlink, install, tmp_path: Path, monkeypatch, settings: list[str], code: int, said: str
) -> None:
    install("tones", "avlink.testing")
    install("failing", "failing_plugin", PLUGIN)
    monkeypatch.setenv("AVLINK_PLUGINS", "tones,failing")
    cut = make_timeline(tmp_path)
    words = ["backend.name=tone", "stems.post=[]", "prompt.template={clip.name}", *settings]
    ran = avlink("sonify", cut, "--device", "cpu", *(word for setting in words for word in ("-s", setting)))
    assert ran.code == code, ran.out + ran.err
    assert said in " ".join((ran.out + ran.err).replace("(V1): ", ": ").replace(" : ", ": ").split())
    assert "Traceback" not in ran.err and not list(tmp_path.rglob(".avlink-tmp-*")) and not list(tmp_path.rglob("*.x"))
    if "fussy" in settings[0]:
        assert len(list(tmp_path.glob("cut.stems/*.wav"))) == 1
