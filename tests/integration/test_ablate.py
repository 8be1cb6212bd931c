"""`avlink ablate` as its users run it, on a model of a few thousand weights: trained, measured, printed, plotted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from avlink.core.errors import RecipeError
from avlink.core.recipe import load_recipe

sys.path.insert(0, str(Path(__file__).parent))
from tiny_recipe import ALIGNER, FOUNDRY, MODEL, stages

VARIANTS = {
    "plain": ("fusion_v2a", ""),
    "joint": ("fusion_joint", "[model.fusion]\nshared = true\n"),
    "once": ("fusion_joint", "[model.fusion]\nshared = true\n"),
    "alone": ("aligner", ALIGNER + "[alignment]\nweight = 1.0\n"),
    "double": (
        "aligner fusion_v2a",
        ALIGNER + '[alignment]\nweight = 1.0\nat = "noisy"\n[model.fusion]\ninjection = "text"\n',
    ),
    "straight": ("fusion_v2a reflow_v2a", ""),
    "coupled": ("fusion_joint", "[model.fusion]\nshared = true\n"),
    "tokens": (
        "fusion_a2v",
        '[model.fusion]\ninjection = "text"\nlocal_windows = [1, 2]\n'
        '[model.fusion.extracted]\nname = "log-mel"\ndim = 64\nmedium = "sound"\n',
    ),
}
HEAD = 'format = 1\nkind = "train"\nextends = "base.toml"\n'


def _write(folder: Path) -> Path:
    """Recipes of a base, its variants and the ablation over them."""
    clips = 'clips = 8\nheld_out = 2\nplain = true\nkinds = ["hammer", "bounce"]\n'
    foundry = FOUNDRY.replace("clips = 4\nheld_out = 1\nstills = 40\n", clips)
    (folder / "base.toml").write_text(foundry + MODEL + stages("vae vocoder audio video", 1))
    for name, (stage, more) in VARIANTS.items():
        table = stages(stage, 2)
        if name == "joint":
            table += "finetune = true\n"
        if name == "coupled":
            table += "untrained = true\n"
        if name in ("once", "coupled"):
            table += 'tasks = ["both"]\n'
        (folder / f"{name}.toml").write_text(HEAD + more + table)
    names = ", ".join(f'"{name}.toml"' for name in VARIANTS)
    recipe = folder / "ablate.toml"
    recipe.write_text(
        f'format = 1\nkind = "ablate"\nbase = "base.toml"\nvariants = [{names}]\nclips = 2\nsteps = 1\n'
        'sweep = ["plain.toml", "joint.toml"]\nsweep_times = [0.5]\n'
        'curves = ["plain.toml"]\ncurve_every = 1\n'
    )
    return recipe


def test_variants_are_trained_with_equal_compute_measured_and_kept(tmp_path: Path) -> None:
    from avlink.ablation.ablate import ablate

    recipe = load_recipe(_write(tmp_path), "ablate")
    out = tmp_path / "out"
    report = ablate(recipe, out)
    rows = {row.name: row for row in report.rows if row.at is None}
    assert list(rows) == list(VARIANTS) and [row.at for row in report.rows if row.at is not None] == [0.5, 0.5]
    swept = {row.name: row for row in report.rows if row.at is not None}
    assert swept["plain"].f1 is not None and swept["plain"].picture_f1 is None
    assert swept["joint"].f1 is not None and swept["joint"].picture_f1 is not None
    # A validation after each of the two steps, of the variant that is followed alone.
    assert [(point.name, point.step) for point in report.curves] == [("plain", 1), ("plain", 2)]
    assert all(0 <= point.f1 <= 1 for point in report.curves)
    budget = rows["plain"].gflops_step * rows["plain"].steps
    for row in rows.values():
        # Equal to half a step, and never less than one of each stage.
        least = len(VARIANTS[row.name][0].split())
        assert abs(row.gflops_step * row.steps - budget) <= 0.51 * row.gflops_step or row.steps == least
    assert rows["plain"].f1 is not None and rows["plain"].picture_f1 is None
    assert rows["joint"].f1 is not None and rows["joint"].picture_f1 is not None
    # Sound of the backbone as it is has no flow loss of its own.
    assert rows["alone"].f1 is not None and rows["alone"].flow_loss is None
    assert rows["double"].f1 is not None and rows["double"].flow_loss is not None
    assert rows["double"].parameters > rows["alone"].parameters > 0
    assert all(rows[name].f1 is None and rows[name].picture_f1 is not None for name in ("once", "tokens"))
    # A reflow is sampled on another path than that of the loss.
    assert rows["straight"].f1 is not None and rows["straight"].flow_loss is None
    assert rows["plain"].flow_loss is not None
    assert rows["coupled"].picture_f1 is not None and rows["coupled"].parameters == rows["joint"].parameters
    # The joint one has one set for both directions, and learns both backbones besides.
    assert rows["joint"].parameters > rows["once"].parameters == rows["plain"].parameters
    told = json.loads((out / "table.json").read_text())
    assert [row["name"] for row in told["rows"]] == [row.name for row in report.rows]
    assert (out / "table.png").stat().st_size > 1000 and (out / "sweep.png").stat().st_size > 1000
    assert (out / "curves.png").stat().st_size > 1000
    assert [section.key for section in report.sections()] == [
        "spent",
        "sound",
        "pictures",
        "sweep",
        "picture_sweep",
        "curves",
    ]
    # All learn from the base's clips and latents.
    assert {path.parents[1].relative_to(out).as_posix() for path in out.rglob("latents-*/train")} == {"base/clips"}
    # A second run finds all of it done, and the same figures.

    def trained() -> dict[Path, int]:
        return {p: p.stat().st_mtime_ns for p in out.rglob("*.safetensors") if p.parent.name != "bundle"}

    before = trained()
    assert before and ablate(recipe, out) == report
    assert trained() == before
    # Each seed is a run of its own; alone or beside others, in this process or another, a run learns the same.
    shutil.move(out / "once", tmp_path / "alone")
    several = recipe.model_copy(update={"seeds": (0, 4)})
    one, other = ablate(several, out, only=["once"], jobs=2).rows
    assert (one.seed, other.seed) == (0, 4) and one.steps == other.steps == rows["once"].steps

    def losses(folder: Path) -> list[float]:
        return [json.loads(line)["total"] for line in (folder / "fusion_joint.jsonl").read_text().splitlines()]

    assert losses(out / "once") == pytest.approx(losses(tmp_path / "alone"), rel=1e-4)
    assert losses(out / "once-seed4") != pytest.approx(losses(out / "once"), rel=1e-3)


def test_values_for_all_reach_the_base_and_the_variants_that_have_the_stage(tmp_path: Path) -> None:
    from avlink.ablation.ablate import read_variants

    given = ["set.data.clips=5", "set.stages.fusion_v2a.steps=7", "set.model.fusion.reinject=false"]
    base, variants = read_variants(load_recipe(_write(tmp_path), "ablate", given))
    assert {recipe.data.clips for recipe in (base, *(v.recipe for v in variants))} == {5}
    assert [v.table.steps for v in variants] == [7, 2, 2, 2, 7, 2, 2, 2]
    assert "fusion_v2a" not in variants[1].recipe.stages
    assert not any(v.recipe.model.fusion.reinject for v in variants)


def test_a_variant_may_differ_in_its_fusion_only(tmp_path: Path) -> None:
    from avlink.ablation.ablate import read_variants

    recipe = _write(tmp_path)
    wide = tmp_path / "plain.toml"
    wide.write_text(wide.read_text() + "[model.audio]\ndim = 64\n")
    with pytest.raises(RecipeError, match=r"plain\.toml differs from base\.toml in more than model\.fusion"):
        read_variants(load_recipe(recipe, "ablate"))
    for key in ("sweep", "curves"):
        with pytest.raises(RecipeError, match=rf"{key} = 'none' is none of the variants"):
            read_variants(load_recipe(_write(tmp_path), "ablate", [f'{key}=["none.toml"]']))
    assert load_recipe(recipe, "ablate", ['sweep="plain.toml"']).swept == ("plain",)
    for table, count in (("", 0), (stages("fusion_v2a fusion_a2v", 1), 2)):
        (tmp_path / "plain.toml").write_text(HEAD + table)
        said = rf"one stage that base\.toml has not, .*'aligner' or 'reflow_v2a'; it has {count}"
        with pytest.raises(RecipeError, match=said):
            read_variants(load_recipe(recipe, "ablate"))


@pytest.mark.parametrize("stage", ["aligner", "fusion_v2a"])
def test_an_aligner_is_asked_for_with_its_table(tmp_path: Path, stage: str) -> None:
    _write(tmp_path)
    more = "" if stage == "aligner" else "[alignment]\nweight = 1.0\n"
    (tmp_path / "plain.toml").write_text(HEAD + more + stages(stage, 1))
    with pytest.raises(RecipeError, match=r"add \[model\.aligner\]"):
        load_recipe(tmp_path / "plain.toml", "train")


def test_the_built_in_set_is_whole() -> None:
    """Every row that the built-in ablation names is a recipe that fits its base."""
    from avlink.ablation.ablate import read_variants

    base, variants = read_variants(load_recipe("ablate", "ablate"))
    assert set(base.stages) == {"audio", "video"} and len(variants) >= 12
    settings = [
        (v.recipe.model, v.recipe.conditioning, v.recipe.alignment, v.stages, v.recipe.stages[v.stage])
        for v in variants
    ]
    assert all(one != other for i, one in enumerate(settings) for other in settings[:i])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_a_process_that_is_killed_is_told_and_takes_the_others_with_it(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "avlink", "ablate", str(_write(tmp_path)), "-o", str(tmp_path / "out")]
    long = ["-s", "set.stages.fusion_v2a.steps=100000", "-s", "set.stages.fusion_joint.steps=100000"]
    with subprocess.Popen(
        [*command, "--jobs", "2", *long],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        logs = [tmp_path / "out" / name for name in ("plain/fusion_v2a.jsonl", "joint/fusion_joint.jsonl")]
        while not all(log.is_file() for log in logs):
            assert running.poll() is None
            time.sleep(0.2)
        listed = subprocess.run(["pgrep", "-g", str(running.pid), "-f", "spawn_main"], capture_output=True, text=True)
        workers = [int(pid) for pid in listed.stdout.split()]
        os.kill(workers[-1], signal.SIGKILL)
        assert running.stderr is not None
        last = running.stderr.read().splitlines()[-1]
    assert running.returncode == 1
    assert "was ended from outside" in last and "fewer than --jobs 2" in last
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
