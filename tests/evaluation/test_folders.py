from __future__ import annotations

import json
import types
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import avlink.evaluation.folders as evaluate_folders_module
from avlink.cli import main
from avlink.core.errors import InputError, PluginError, RecipeError, TooShort
from avlink.core.features import AudioVideo, Features
from avlink.core.file_digest import file_digest
from avlink.core.recipe import EvaluateRecipe, load_recipe
from avlink.core.store import Store
from avlink.core.values import Frames, FrameSource, SoundSource, Waveform
from avlink.evaluation.folder_report import FolderReport
from avlink.evaluation.folders import evaluate_folders
from avlink.hooks import Extractor, Registry, hookimpl, make_registry
from avlink.media.audio import read_audio
from avlink.media.movie import write_video
from avlink.media.probe import probe
from avlink.media.wave import write_float_wave
from avlink.metrics.frechet import frechet_distance

RATE = 16000
NAMES = ("a", "b", "c", "deep/d")


class Listener:
    """Describes a sound by its level, pictures by their mean colour, words by their length; notes what it was asked."""

    sample_rate = 8000
    frame_rate = Fraction(4)
    side = 32

    def __init__(self) -> None:
        self.asked: list[str] = []

    def extract(self, content):
        if isinstance(content, str):
            self.asked.append("text")
            return {"embedding": Features(rows=np.array([[1.0, len(content), 0.0]]))}
        if isinstance(content, AudioVideo):
            assert content.sound.sample_rate == 8000 and content.frames.rate == 4
            self.asked.append("scene")
            # Two windows: a step late, and in time.
            return {"logits": Features(rows=np.eye(21)[[11, 10]])}
        if isinstance(content, SoundSource):
            assert (content.sample_rate, content.channels) == (8000, 1)
            self.asked.append("sound")
            samples = content.read(0, content.num_samples)[0]
            level = float(np.sqrt((samples**2).mean()))
            rows = np.array([[level, 1.0, 0.0], [level, 2.0, 0.0]])
            return {
                "embedding": Features(rows=rows, rate=Fraction(1)),
                "logits": Features(rows=np.array([[level * 30, 0.0]])),
            }
        assert isinstance(content, FrameSource) and content.rate == 4
        self.asked.append("pictures")
        if content.num_frames < 4:
            raise TooShort("a second is needed")
        colour = content.read(0, content.num_frames).mean(axis=(1, 2))
        return {"embedding": Features(rows=colour, rate=content.rate), "image": Features(rows=colour[:1])}


class Plugin(types.SimpleNamespace):
    """Offers one extractor under the names that the metrics ask for."""

    def registry(self) -> Registry:
        names = ("vggish", "panns", "clap", "imagebind", "inception", "i3d", "synchformer")
        takes = {
            "clap": ("sound", "text"),
            "imagebind": ("sound", "pictures"),
            "inception": ("pictures",),
            "i3d": ("pictures",),
            "synchformer": ("scene",),
        }

        @hookimpl
        def avlink_extractors():
            return [
                Extractor(
                    name=name,
                    takes=takes.get(name, ("sound",)),
                    fingerprint=lambda options: Path(options.checkpoint).read_text(),
                    load=lambda options, device: self.listener,
                    licence="by hand",
                    source=f"a shelf, {name}.pth",
                )
                for name in names
            ]

        module = types.ModuleType("listeners")
        module.avlink_extractors = avlink_extractors
        return make_registry(module)


@pytest.fixture
def plugin() -> Plugin:
    return Plugin(listener=Listener())


def clicks(*times_s: float, length_s: float = 2.0, level: float = 0.4) -> np.ndarray:
    sound = np.zeros(round(length_s * RATE), np.float32)
    burst = np.random.default_rng(1).standard_normal(1600).astype(np.float32) * np.exp(-np.arange(1600) / 250)
    for time_s in times_s:
        start = round(time_s * RATE)
        sound[start : start + 1600] += level * burst[: len(sound) - start]
    return sound


def film(path: Path, times_s, sound: np.ndarray | None, seconds: float = 2.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((round(seconds * 24), 36, 64, 3), 30, np.uint8)
    for time_s in times_s:
        pixels[round(time_s * 24) :] += 50
    wave = None if sound is None else Waveform(samples=sound[None], sample_rate=RATE)
    write_video(path, Frames(pixels=pixels, rate=Fraction(24)), sound=wave)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("folders")
    made, true = root / "made", root / "true"
    for number, name in enumerate(NAMES):
        times = (0.5, 1.0 + 0.1 * number)
        film(true / f"{name}.mp4", times, clicks(*times))
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        late = [time + 0.03 for time in times]
        write_float_wave(made / f"{name}.wav", Waveform(samples=clicks(*late, level=0.2)[None], sample_rate=RATE))
    film(true / "lonely.mp4", (), None)
    (true / "broken.mp4").write_text("no film")
    (true / "captions.json").write_text(json.dumps({"a.mp4": {"caption": "a click"}, "b": "two"}))
    (true / "manifest.csv").write_text("path,caption\ndeep/d.mp4,deep\n")
    return made, true


def checkpoints(folder: Path, *names: str) -> dict[str, dict[str, str]]:
    for name in names:
        (folder / f"{name}.pth").write_text(f"{name} 1")
    return {name: {"checkpoint": str(folder / f"{name}.pth")} for name in names}


def run(folders, plugin, tmp_path: Path, **settings) -> FolderReport:
    made, true = folders
    recipe = EvaluateRecipe(generated=str(made), reference=str(true), **settings)
    return evaluate_folders(recipe, plugin.registry(), store=Store(tmp_path / "cache"))


def table(report: FolderReport, key: str) -> dict[str, dict]:
    rows = report.to_json()["sections"][key]["rows"]
    return {row[next(iter(row))]: row for row in rows}


def test_without_any_weights_a_late_and_soft_copy_is_told(folders, plugin, tmp_path: Path) -> None:
    report = run(folders, plugin, tmp_path)
    assert [pair.name for pair in report.pairs.pairs] == list(NAMES) and report.pairs.only_reference == ("lonely",)
    onsets = table(report, "onsets")["generated sound"]
    assert onsets["f1_100ms"] == onsets["f1_50ms"] == 1 and onsets["offset_ms"] == pytest.approx(30, abs=7)
    distances = table(report, "distances")
    assert distances["lag_s"]["mean"] == pytest.approx(0.03, abs=0.006) and distances["lag_s"]["clips"] == 4
    assert distances["duration_error_s"]["mean"] == pytest.approx(0, abs=0.05)
    levels = table(report, "levels")
    assert levels["reference lufs"]["mean"] - levels["generated lufs"]["mean"] == pytest.approx(6, abs=1)
    assert table(report, "onsets_to_pictures")["reference sound"]["f1_100ms"] == 1
    assert table(report, "condfoley")["condfoley_accuracy"]["mean"] == 1
    assert table(report, "av_align")["reference av_align_fd"]["clips"] == 4
    assert table(report, "metrics")["log-mel-frechet"]["value"] > 1
    assert set(table(report, "metrics")) == {"log-mel-frechet"} and plugin.listener.asked == []


def test_equal_folders_are_equal(folders, plugin, tmp_path: Path) -> None:
    _, true = folders
    settings = {"metrics": ("fad", "fd", "kl", "is"), "extractors": checkpoints(tmp_path, "vggish", "panns")}
    report = run((true, true), plugin, tmp_path, **settings)
    found = table(report, "metrics")
    for name in ("log-mel-frechet", "fad", "fd", "kl"):
        assert found[name]["value"] == pytest.approx(0, abs=1e-5), name
    assert found["is"]["value"] == pytest.approx(1, abs=0.01)
    # A film of the set has no sound, and says so.
    assert (found["fad"]["clips"], found["fad"]["of"]) == (4, 5) and "no sound" in found["fad"]["note"]
    assert table(report, "distances")["mr_stft"]["mean"] == 0


def test_each_metric_is_what_its_features_say_with_all_beside_it(folders, plugin, tmp_path: Path) -> None:
    given = checkpoints(tmp_path, "vggish", "panns", "clap", "imagebind", "inception", "i3d", "synchformer")
    report = run(folders, plugin, tmp_path, extractors=given)
    found = table(report, "metrics")
    assert set(found) == {"log-mel-frechet", "fad", "fd", "is", "kl", "clap", "ib-ai", "ib-av", "desync"}
    desync = found["desync"]
    assert desync["value"] == pytest.approx(0.1) and (desync["rate"], desync["clips"]) == ("8000 Hz, 4 fps", 4)
    levels = {}
    for folder in folders:
        sounds = [next(folder.glob(f"{name}.*")) for name in NAMES]
        waves = [read_audio(path, sample_rate=8000, duration_s=probe(path).audio.duration_s) for path in sounds]
        levels[folder] = [float(np.sqrt((wave.samples**2).mean())) for wave in waves]
    made, true = ([[level, second, 0] for level in levels[folder] for second in (1, 2)] for folder in folders)
    means = np.mean(made, axis=0), np.mean(true, axis=0)
    spreads = np.cov(made, rowvar=False), np.cov(true, rowvar=False)
    wanted = frechet_distance(means[0], spreads[0], means[1], spreads[1])
    assert found["fad"]["value"] == pytest.approx(wanted, rel=1e-4) and wanted > 0
    words = {"a": "a click", "b": "two", "deep/d": "deep"}
    cosines = []
    for level, name in zip(levels[folders[0]], NAMES, strict=True):
        if name in words:
            other = np.array([1, len(words[name])])
            for one in np.array([[level, 1], [level, 2]]):
                cosines.append(one @ other / np.linalg.norm(one) / np.linalg.norm(other))
    assert found["clap"]["value"] == pytest.approx(np.mean(cosines), rel=1e-4)
    fad = found["fad"]
    assert (fad["extractor"], fad["checkpoint"], fad["rate"]) == ("vggish", "vggish.pth", "8000 Hz")
    assert (
        fad["resampler"] == "AVLink's Kaiser sinc" and fad["better"] == "lower" and (fad["clips"], fad["of"]) == (4, 4)
    )
    assert fad["note"] is None and found["kl"]["value"] > 0
    assert found["is"]["note"] == "1 clips a split: near 1 whatever they are"
    clap = found["clap"]
    assert (clap["clips"], clap["of"]) == (3, 4) and clap["note"] == "others: no caption"
    assert set(report.clips["a"]["metrics"]) == {"kl", "clap", "ib-ai", "ib-av", "desync"}
    assert set(report.clips["c"]["metrics"]) == {"kl", "ib-ai", "ib-av", "desync"}
    assert found["ib-av"]["rate"] == "8000 Hz, 4 fps"
    text = "\n".join(report.lines())
    for words in ("vggish.pth (licence: by hand)", "no pair, reference only: lonely", "log-mel", "not FAD"):
        assert words in text
    json.dumps(report.to_json())


def test_a_second_run_reads_nothing_and_another_checkpoint_all(folders, plugin, tmp_path: Path) -> None:
    given = checkpoints(tmp_path, "vggish", "panns")
    first = run(folders, plugin, tmp_path, extractors=given)
    assert plugin.listener.asked == ["sound"] * 16
    again = Plugin(listener=Listener())
    second = run(folders, again, tmp_path, extractors=given)
    assert again.listener.asked == [] and second.to_json() == first.to_json()
    (tmp_path / "panns.pth").write_text("panns 2")
    run(folders, again, tmp_path, extractors=given)
    assert len(again.listener.asked) == 8
    # What lies in the cache broken is made anew.
    for file in (tmp_path / "cache").rglob("*.npz"):
        file.write_bytes(bytes(file.stat().st_size))
    assert run(folders, again, tmp_path, extractors=given).to_json()["sections"] == first.to_json()["sections"]


def test_generated_pictures_are_judged_with_the_true_sound(tmp_path: Path, plugin) -> None:
    for name, late in (("a", 0.0), ("b", 0.05)):
        film(tmp_path / "true" / f"{name}.mp4", (0.5, 1.2), clicks(0.5, 1.2))
        film(tmp_path / "made" / f"{name}.mp4", (0.5 + late, 1.2 + late), None)
    film(tmp_path / "made" / "short.mp4", (0.25,), None, seconds=0.5)
    film(tmp_path / "true" / "short.mp4", (0.25,), clicks(0.25))
    given = checkpoints(tmp_path, "inception", "i3d", "imagebind", "vggish")
    report = run((tmp_path / "made", tmp_path / "true"), plugin, tmp_path, extractors=given)
    assert report.settings["judged"] == ["pictures"]
    found = table(report, "metrics")
    assert set(found) == {"rgb-cells-frechet", "fid", "fvd", "ib-ai", "ib-av"}
    assert found["rgb-cells-frechet"]["rate"] == "6 fps" and found["rgb-cells-frechet"]["value"] > 0
    assert (found["fvd"]["clips"], found["fvd"]["of"]) == (2, 3) and "a second is needed" in found["fvd"]["note"]
    assert found["fid"]["rate"] == "4 fps" and found["fid"]["resampler"] is None
    pictures = table(report, "pictures")
    assert pictures["generated pictures"]["f1_100ms"] == pictures["reference pictures"]["f1_100ms"] == 1
    both = run(
        (tmp_path / "made", tmp_path / "true"),
        plugin,
        tmp_path,
        judge=("pictures",),
        metrics=("frechet:i3d",),
        extractors=given,
    )
    assert table(both, "metrics")["frechet:i3d"]["value"] == found["fvd"]["value"]
    with pytest.raises(RecipeError, match="none of the generated clips has sound"):
        run((tmp_path / "made", tmp_path / "true"), plugin, tmp_path, judge=("sound",))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"metrics": ("fadd",)}, r"there is no metric 'fadd'; did you mean 'fad'\?"),
        ({"metrics": ("frechet:passt",)}, "extractor 'passt' is not registered"),
        ({"metrics": ("cosine:clap",)}, "there is no metric 'cosine:clap'"),
        ({"metrics": ("fad",)}, r"'vggish' needs its checkpoint: get it from a shelf, vggish.pth \(licence: by hand\)"),
        (
            {"extractors": {"vggish": {"checkpoint": "/no/where.pth"}}},
            r"there is no '/no/where.pth'; get it from a shelf",
        ),
        ({"metrics": ("fad", "kl")}, "(?s)checkpoints are missing:.*vggish.*panns"),
        ({"extractors": {"vggish": {"chekpoint": "x"}}}, r"extractors\.vggish\.chekpoint: unknown key; did you mean"),
        ({"extractors": {"vgg": {"checkpoint": "x"}}}, "extractor 'vgg' is not registered; did you mean 'vggish'"),
        ({"metrics": ("inception:inception",)}, "gives no 'logits' of pictures"),
    ],
)
def test_what_is_missing_or_wrong_is_named(folders, plugin, tmp_path: Path, settings, words: str) -> None:
    if settings.get("metrics") == ("inception:inception",):
        settings = {**settings, "judge": ("pictures",), "extractors": checkpoints(tmp_path, "inception")}
        folders = (folders[1], folders[1])
    with pytest.raises(InputError, match=words):
        run(folders, plugin, tmp_path, **settings)


def test_folders_that_cannot_be_compared_are_named(plugin, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"generated '.*gone' is not a folder"):
        run((tmp_path / "gone", tmp_path), plugin, tmp_path)
    film(tmp_path / "one" / "a.mp4", (), None)
    film(tmp_path / "two" / "b.mp4", (), None)
    with pytest.raises(InputError, match=r"no clip in '.*one' \(1 of them\) has the name of one in '.*two' \(1\)"):
        run((tmp_path / "one", tmp_path / "two"), plugin, tmp_path)
    film(tmp_path / "two" / "a.mp4", (), None)
    (tmp_path / "one" / "captions.json").write_text("[1]")
    with pytest.raises(InputError, match=r"the captions in '.*one' cannot be read"):
        run((tmp_path / "one", tmp_path / "two"), plugin, tmp_path)
    with pytest.raises(InputError, match="name the other one, -s reference=DIR"):
        evaluate_folders(EvaluateRecipe(generated=str(tmp_path)), plugin.registry())


def test_a_clip_that_breaks_on_the_way_counts_nowhere(plugin, tmp_path: Path, monkeypatch) -> None:
    made, true = tmp_path / "made", tmp_path / "true"
    for name in ("a", "b"):
        film(true / f"{name}.mp4", (0.5,), clicks(0.5))
        made.mkdir(exist_ok=True)
        write_float_wave(made / f"{name}.wav", Waveform(samples=clicks(0.5)[None], sample_rate=RATE))
    # As long as a file is not decoded, nothing shows that it changed while it was measured.
    before = evaluate_folders_module.score_pair

    def breaking(generated, reference, judge):
        if judge and generated.digest("sound") == file_digest(made / "b.wav"):
            (true / "b.mp4").unlink()
        return before(generated, reference, judge)

    monkeypatch.setattr(evaluate_folders_module, "score_pair", breaking)
    write_float_wave(made / "b.wav", Waveform(samples=clicks(0.7)[None], sample_rate=RATE))
    report = run((made, true), plugin, tmp_path, extractors=checkpoints(tmp_path, "vggish"))
    assert list(report.left_out) == ["b"] and table(report, "metrics")["fad"]["clips"] == 1
    assert table(report, "metrics")["fad"]["of"] == 2 and list(report.clips) == ["a"]
    assert "left out: b: " in "\n".join(report.lines())


def test_a_plugin_that_fails_is_named(folders, plugin, tmp_path: Path) -> None:
    given = checkpoints(tmp_path, "vggish")
    plugin.listener.extract = lambda content: 1 / 0
    with pytest.raises(PluginError, match="extractor 'vggish' failed in extracting: ZeroDivisionError"):
        run(folders, plugin, tmp_path, extractors=given)
    widths = iter(range(2, 99))
    plugin.listener.extract = lambda content: {"embedding": Features(rows=np.zeros((1, next(widths))))}
    with pytest.raises(PluginError, match="features of 'vggish' do not make a fad: feature vectors of 4 numbers"):
        run(folders, plugin, tmp_path / "widths", extractors=given)
    plugin.listener.extract = lambda content: [1]
    with pytest.raises(PluginError, match="gave list, not features by name"):
        run(folders, plugin, tmp_path, extractors=given)
    plugin.listener.sample_rate = None
    with pytest.raises(PluginError, match="it has no 'sample_rate'"):
        run(folders, plugin, tmp_path, extractors=given)


def test_checkpoints_of_a_recipe_file_start_from_it(plugin, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(
        'format = 1\nkind = "evaluate"\nextends = "evaluate_folder"\n[extractors.vggish]\ncheckpoint = "vggish.pth"\n'
    )
    recipe = load_recipe(tmp_path / "mine.toml", "evaluate", ['metrics=["fad"]', "generated=x", "reference=x"])
    with pytest.raises(InputError, match=rf"there is no '{tmp_path}/vggish\.pth'; get it from a shelf"):
        evaluate_folders(recipe, plugin.registry())


def test_the_command_measures_folders(folders, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("AVLINK_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("avlink.hooks.load_registry", Plugin(listener=Listener()).registry)
    made, true = folders
    given = checkpoints(tmp_path, "vggish")["vggish"]["checkpoint"]
    words = ["evaluate", "-s", f"generated={made}", "-s", f"reference={true}"]
    assert main([*words, "-s", f"extractors.vggish.checkpoint={given}", "--device", "cpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["command"] == "evaluate" and said["pairs"] == 4 and said["only_reference"] == ["lonely"]
    assert [row["metric"] for row in said["sections"]["metrics"]["rows"]] == ["log-mel-frechet", "fad"]
    assert main([*words, "-s", 'metrics=["fad"]']) == 2
    assert "get it from a shelf, vggish.pth" in capsys.readouterr().err
    assert main(words) == 0
    assert "no pair, reference only: lonely" in capsys.readouterr().out
