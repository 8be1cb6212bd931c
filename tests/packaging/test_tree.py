"""The package holds what the tree holds, and nothing in the tree is out of place."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SETUPTOOLS = PROJECT["tool"]["setuptools"]
MAX_LINES = 400
MAX_BYTES = 16 << 20


def packages_in_tree() -> dict[str, str]:
    """Every package with its folder: `recipes` is `avlink.recipes`, plugins and adapters are roots of their own."""
    found = {}
    for parent in (ROOT, ROOT / "plugins", ROOT / "otio_adapters"):
        for init in sorted(parent.glob("avlink*/**/__init__.py")):
            folder = init.parent
            found[".".join(folder.relative_to(parent).parts)] = folder.relative_to(ROOT).as_posix()
    return {**found, "avlink.recipes": "recipes"}


def tracked() -> list[Path]:
    """The files under version control, or all of them in an unpacked archive."""
    try:
        listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> list[tuple[str, str]]:
    found = []
    for path in tracked():
        if path.suffix in {".py", ".toml", ".md", ".txt", ".yml", ".json", ".cfg", ""}:
            found.append((path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8", errors="replace")))
    return found


def test_the_list_of_packages_equals_the_tree() -> None:
    assert sorted(SETUPTOOLS["packages"]) == sorted(packages_in_tree())


def test_every_package_is_where_it_is_said_to_be() -> None:
    for name, folder in packages_in_tree().items():
        root = name.split(".")[0]
        mapped = SETUPTOOLS["package-dir"].get(name) or SETUPTOOLS["package-dir"].get(root)
        expected = folder if mapped is None else mapped + "".join(f"/{part}" for part in name.split(".")[1:])
        assert folder == (mapped if name in SETUPTOOLS["package-dir"] else expected)


def test_every_folder_with_code_is_a_package() -> None:
    packages = set(packages_in_tree().values())
    for parent in ("avlink", "plugins", "otio_adapters"):
        for path in (ROOT / parent).rglob("*.py"):
            assert path.parent.relative_to(ROOT).as_posix() in packages, path


def test_entry_points_name_modules_that_are_there() -> None:
    folders = packages_in_tree()
    groups = PROJECT["project"]["entry-points"]
    assert set(groups["avlink"]) == {name for name in folders if name.startswith("avlink_") and "." not in name}
    for group in groups.values():
        for module in group.values():
            package, _, name = module.rpartition(".") if module not in folders else (module, "", "__init__")
            assert (ROOT / folders[package] / f"{name}.py").is_file(), module


def test_every_dependency_has_a_reason_and_a_lower_bound_and_no_pin() -> None:
    source = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for dependency in PROJECT["project"]["dependencies"]:
        line = next(line for line in source.splitlines() if f'"{dependency}"' in line)
        assert re.search(r"# \w+", line), f"{dependency} has no reason"
        assert re.search(r">=\d", dependency), f"{dependency} has no lower bound"
        assert "==" not in dependency.partition(";")[0]


def test_every_dependency_is_used() -> None:
    imports = {"pillow": "PIL", "safetensors": "safetensors", "mir_eval": "mir_eval", "tomli-w": "tomli_w"}
    without_import = {"opentimelineio-plugins", "audioop-lts"}
    code = "\n".join(text for name, text in texts() if name.endswith(".py") and not name.startswith("tests/"))
    for dependency in PROJECT["project"]["dependencies"]:
        name = re.split(r"[>=;\s]", dependency)[0]
        if name not in without_import:
            module = imports.get(name, name.replace("-", "_"))
            assert re.search(rf"^\s*(import|from) {module}\b", code, re.MULTILINE), f"{name} is not imported"


def test_constraints_are_exact_and_name_no_place() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    for line in lines:
        assert line.startswith("#") or re.fullmatch(r'[a-z0-9-]+==[0-9.]+(; python_version (<|>=) "3\.11")?', line), (
            line
        )
    named = {re.split("==", line)[0] for line in lines if not line.startswith("#")}
    for dependency in (*PROJECT["project"]["dependencies"], *PROJECT["project"]["optional-dependencies"]["dev"]):
        name = re.split(r"[>=;\s]", dependency)[0].replace("_", "-")
        assert name in named | {"setuptools"}, f"{name} has no tested version"


def test_nothing_names_a_machine_or_an_index_and_no_promise_is_left() -> None:
    home = "/" + "root"
    forbidden = [
        r"(?<![\w/.])/work/",
        rf"{home}/",
        "/tmp/" + "venv",
        "index" + "-url",
        "find" + "-links",
        r"pypi\.org|pythonhosted|/simple/",
        "TO" + "DO|FIX" + "ME|XX" + "X",
        "raise NotImplemented",
    ]
    found = [
        f"{name}: {match[0]}"
        for name, text in texts()
        if name != "tests/packaging/test_tree.py"
        for pattern in forbidden
        for match in [re.search(pattern, text)]
        if match
    ]
    assert found == []


def test_files_are_short_and_small() -> None:
    for path in tracked():
        assert path.stat().st_size <= MAX_BYTES, path
        if path.suffix == ".py":
            lines = path.read_text(encoding="utf-8").count("\n")
            assert lines <= MAX_LINES, f"{path} has {lines} lines"


def test_no_weights_that_run_code_and_no_footage_from_beside_the_checkout() -> None:
    shared = ROOT.parent / "shared"
    beside = {path.name for path in shared.rglob("*") if path.is_file()} if shared.is_dir() else set()
    for path in tracked():
        assert path.suffix not in {".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".pyc"}, path
        if path.suffix in {".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".otioz", ".aaf"}:
            assert path.name not in beside, path


def test_the_licence_is_whole() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text
