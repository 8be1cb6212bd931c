"""Modules in the working folder are never imported, whatever starts AVLink and whatever AVLink starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from avlink.testing import make_movie

ROOT = Path(__file__).parents[2]
_OURS = ("torch", "numpy", "av", "scipy", "soundfile", "opentimelineio", "pydantic", "typer", "rich", "click", "pluggy")
_MORE = ("platformdirs", "packaging", "safetensors", "einops", "jaxtyping", "sitecustomize", "usercustomize", "yaml")
# Python itself imports these before the package that `-m` names, unless something of the installation did before.
_BEFORE_US = {"runpy", "importlib", "warnings", "types", "linecache"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module of every name of Python's library and of our packages; each leaves a mark and fails."""
    names = {*sys.stdlib_module_names, *_OURS, *_MORE} - _BEFORE_US
    for name in names - {"__main__"}:
        (tmp_path / f"{name}.py").write_text(
            f"open({str(tmp_path)!r} + '/IMPORTED', 'a').write({name!r} + ' '); raise SystemExit(77)\n"
        )
    return tmp_path


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    paths = [ROOT, ROOT / "plugins", ROOT / "otio_adapters"]
    dropped = ("PYTHONSAFEPATH", "PYTHONPATH", "COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START")
    env = {name: value for name, value in os.environ.items() if name not in dropped}
    env |= {"PYTHONPATH": os.pathsep.join(map(str, paths)), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False)
    marks = folder / "IMPORTED"
    assert not marks.exists(), f"{marks.read_text()}\n{done.stderr}"
    return done


@pytest.fixture(params=["module", "script"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """The words that start AVLink: `python -m avlink`, or a script as pip writes it."""
    if request.param == "module":
        return (sys.executable, "-m", "avlink")
    script = tmp_path_factory.mktemp("bin") / "avlink"
    script.write_text("import sys\nfrom avlink.cli import main\nif __name__ == '__main__':\n    sys.exit(main())\n")
    return (sys.executable, str(script))


def test_no_command_imports_from_the_working_folder(folder: Path, program: tuple[str, ...]) -> None:
    make_movie(folder / "clip.mp4", rate=12, size=(48, 32))
    assert run(folder, *program, "recipes", "list").returncode == 0
    # The built-in model is loaded once: what comes after the start is the same for both.
    wanted = () if program[1] == "-m" else ("--device", "cpu", "-s", "backend.name=nope")
    plan = run(folder, *program, "sonify", "clip.mp4", "--dry-run", *wanted)
    assert plan.returncode == (2 if wanted else 0), plan.stderr
    assert not wanted or "nope" in plan.stderr


@pytest.mark.slow
def test_no_process_of_a_data_set_imports_from_the_working_folder(folder: Path, program: tuple[str, ...]) -> None:
    (folder / "small.toml").write_text(
        'format = 1\nkind = "train"\nextends = "foley_tiny"\n[data]\nclips = 1\nheld_out = 1\nstills = 1\n'
    )
    made = run(folder, *program, "data", "prepare", "small.toml", "-o", "clips")
    assert made.returncode == 0, made.stderr
    assert (folder / "clips" / "train").is_dir()


def test_a_folder_that_avlink_itself_is_in_stays_on_the_path(tmp_path: Path) -> None:
    (tmp_path / "avlink").symlink_to(ROOT / "avlink")
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    code = "import avlink, sys; print(avlink.__file__)"
    kept = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert kept.stdout.strip() == str(ROOT / "avlink" / "__init__.py"), kept.stderr
    shown = subprocess.run(
        [sys.executable, "-m", "avlink", "--version"], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr


def test_a_process_of_ours_imports_nothing_from_the_working_folder(folder: Path) -> None:
    # As a library, in a program that starts elsewhere and works in the folder.
    code = (
        "import os, sys\n"
        "from avlink.core.processes import run_in_processes\n"
        "import math\n"
        "if __name__ == '__main__':\n"
        f"    os.chdir({str(folder)!r})\n"
        "    run_in_processes([4.0, 9.0], math.sqrt, lambda task, root: print(task, root), processes=2,\n"
        "                     describe_loss=lambda task, cause: cause)\n"
        "    assert 'PYTHONSAFEPATH' not in os.environ\n"
    )
    script = folder.parent / f"{folder.name}.py"
    script.write_text(code)
    done = run(folder, sys.executable, str(script))
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n"))[1:] == ["4.0 2.0", "9.0 3.0"]
