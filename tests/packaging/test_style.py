"""Rules of names and prose that no linter knows (CONTRIBUTING.md): they hold over every root that is packaged."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGED, OTHERS = ("avlink", "plugins", "otio_adapters"), ("tests", "benchmarks", "fuzz")
FILES = sorted(path for root in PACKAGED for path in (ROOT / root).rglob("*.py"))
OTHER_FILES = sorted(path for root in OTHERS for path in (ROOT / root).rglob("*.py"))
CLAUSE = re.compile(r"(What|Who|Where|Whether|How)\b")


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Docstrings of modules, classes and functions, and the texts below attributes."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if (
                isinstance(child, ast.Expr)
                and isinstance(child.value, ast.Constant)
                and isinstance(child.value.value, str)
            ):
                yield child.lineno, child.value.value.strip()


def test_docstrings_begin_with_a_verb_or_a_noun_phrase() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text.splitlines()[0]}"
        for path in (*FILES, *OTHER_FILES)
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if CLAUSE.match(text)
    ]
    assert not wrong, "\n".join(wrong)


def test_a_class_name_is_used_once() -> None:
    places = defaultdict(list)
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(path.relative_to(ROOT).as_posix())
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


@pytest.mark.parametrize(
    "package", sorted(path.parent.name for path in (ROOT / "avlink").glob("*/__init__.py")), ids=str
)
def test_a_package_says_what_belongs_there_and_what_does_not(package: str) -> None:
    text = ast.get_docstring(ast.parse((ROOT / "avlink" / package / "__init__.py").read_text("utf-8")))
    assert text is not None and len(text.splitlines()) >= 3, f"avlink/{package}/__init__.py"


def modules() -> dict[str, Path]:
    found = {}
    for path in FILES:
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        parts = parts[1:] if parts[0] in ("plugins", "otio_adapters") else parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports inside of functions and for type checkers count, too: they tie a reader as much as any other."""
    known = modules()
    imports = {name: set[str]() for name in known}
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                whole = [f"{node.module}.{alias.name}" for alias in node.names]
                targets = [target if target in known else node.module for target in whole]
            else:
                continue
            # A package's face re-exports its modules: only imports of modules themselves tie them.
            imports[name] |= {target for target in targets if target in known and target != name} - {"avlink"}
    state: dict[str, int] = {}
    trail: list[str] = []

    def visit(name: str) -> None:
        state[name] = 1
        trail.append(name)
        for target in sorted(imports[name]):
            assert state.get(target) != 1, " -> ".join([*trail[trail.index(target) :], target])
            if target not in state:
                visit(target)
        trail.pop()
        state[name] = 2

    for name in sorted(known):
        if name not in state:
            visit(name)
