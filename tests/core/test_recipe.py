from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.architecture import COMPONENTS
from avlink.core.errors import RecipeError
from avlink.core.recipe import (
    KINDS,
    Override,
    SonifyRecipe,
    builtin_recipes,
    check_values,
    load_recipe,
    parse_override,
)


@pytest.fixture
def write(tmp_path: Path):
    def write_recipe(text: str, name: str = "mine.toml", head: str = 'format = 1\nkind = "sonify"\n') -> Path:
        path = tmp_path / name
        path.write_text(head + textwrap.dedent(text), encoding="utf-8")
        return path

    return write_recipe


def mistakes(path: Path | str, *overrides: str | Override, kind: str | None = None) -> str:
    with pytest.raises(RecipeError) as caught:
        load_recipe(path, kind, overrides)  # type: ignore[call-overload]
    return str(caught.value)


@pytest.mark.parametrize("name", builtin_recipes())
def test_every_recipe_that_comes_with_avlink_is_good(name: str) -> None:
    recipe = load_recipe(name)
    assert type(recipe) is KINDS[recipe.kind]
    again = type(recipe).model_validate(recipe.model_dump(exclude_unset=True))
    assert again.model_dump() == recipe.model_dump()


def test_a_recipe_of_a_few_words_has_all_the_rest(write) -> None:
    recipe = load_recipe(write(""), "sonify")
    assert recipe.model_dump() == SonifyRecipe().model_dump()
    assert (recipe.backend.name, recipe.stems.sample_rate, recipe.stems.bit_depth) == ("fusion-v2a", 48000, 24)


@pytest.mark.parametrize("value", ["inf", "-inf", "nan"])
def test_numbers_are_finite(value: str) -> None:
    with pytest.raises(RecipeError, match=r"run\.max_batch_s = .*: must be a finite number"):
        load_recipe("foley", "sonify", [f"run.max_batch_s={value}"])


def test_recipes_never_change() -> None:
    recipe = load_recipe("foley", "sonify")
    with pytest.raises(ValueError):
        recipe.run.seed = 3  # type: ignore[misc]


class TestInheritance:
    def test_tables_merge_and_lists_replace(self, write) -> None:
        write('[stems]\ntrack_name = "HITS"\npost = ["a", "b"]\n[run]\nseed = 4\n', "base.toml")
        recipe = load_recipe(write('extends = "base.toml"\n[stems]\npost = ["c"]\n'), "sonify")
        assert recipe.stems.track_name == "HITS"
        assert [step.use for step in recipe.stems.post] == ["c"]
        assert recipe.run.seed == 4

    def test_later_bases_win_and_the_file_wins_over_all(self, write) -> None:
        write("[run]\nseed = 1\ntakes = 1\nmax_batch_s = 1.0\n", "one.toml")
        write("[run]\nseed = 2\ntakes = 2\n", "two.toml")
        recipe = load_recipe(write('extends = ["one.toml", "two.toml"]\n[run]\nseed = 3\n'), "sonify")
        assert (recipe.run.seed, recipe.run.takes, recipe.run.max_batch_s) == (3, 2, 1.0)

    def test_a_base_is_found_from_where_the_recipe_lies(self, write, tmp_path: Path) -> None:
        (tmp_path / "below").mkdir()
        write("[run]\nseed = 7\n", "base.toml")
        assert load_recipe(write('extends = "../base.toml"\n', "below/mine.toml"), "sonify").run.seed == 7

    def test_a_built_in_recipe_is_a_base_by_name(self, write) -> None:
        recipe = load_recipe(write('extends = "foley"\n[run]\nseed = 7\n'), "sonify")
        assert recipe.stems.post == load_recipe("foley", "sonify").stems.post

    def test_a_circle_is_shown(self, write) -> None:
        write('extends = "b.toml"\n', "a.toml")
        path = write('extends = "a.toml"\n', "b.toml")
        assert "in a circle" in mistakes(path)
        assert mistakes(path).count("b.toml") == 2

    def test_every_value_knows_its_layer(self, write) -> None:
        base = write("[run]\nseed = 1\ntakes = 2\n[stems]\nbit_depth = 16\n", "base.toml")
        path = write('extends = "base.toml"\n[run]\ntakes = 3\n')
        source = load_recipe(path, "sonify", ["run.max_batch_s=9"]).source
        assert source.origin("run.seed") == str(base)
        assert source.origin("run.takes") == str(path)
        assert source.origin("run.max_batch_s") == "-s run.max_batch_s=9"
        assert source.origin("stems.track_name") is None


class TestPaths:
    @pytest.fixture
    def evaluate(self, write):
        """Writes a recipe for `avlink evaluate`."""
        return lambda text, name: write(text, name, head='format = 1\nkind = "evaluate"\n')

    def test_a_path_in_a_file_starts_from_that_file_wherever_it_is_read_from(
        self, evaluate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "below").mkdir()
        evaluate('media_dir = "clips"\n', "base.toml")
        evaluate('extends = "../base.toml"\n', "below/mine.toml")
        evaluate('extends = "../base.toml"\nmedia_dir = "clips"\n', "below/own.toml")
        for folder, below in ((tmp_path, "below/"), (tmp_path / "below", "")):
            monkeypatch.chdir(folder)
            for name, meant in (("mine.toml", tmp_path / "clips"), ("own.toml", tmp_path / "below" / "clips")):
                recipe = load_recipe(f"{below}{name}", "evaluate")
                assert recipe.media_dir == "clips"
                assert recipe.source.path("media_dir", "clips").resolve() == meant

    def test_a_path_on_the_command_line_starts_from_where_it_is_typed(self, evaluate) -> None:
        path = evaluate('media_dir = "clips"\n', "mine.toml")
        recipe = load_recipe(path, "evaluate", ["media_dir=mine"])
        assert recipe.source.path("media_dir", "mine") == Path("mine")
        assert load_recipe("evaluate", "evaluate").source.path("bundle", "mine") == Path("mine")

    def test_a_whole_path_and_a_home_folder_stay(self, evaluate, tmp_path: Path, monkeypatch) -> None:
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
        monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
        source = load_recipe(evaluate('media_dir = "x"\n', "mine.toml"), "evaluate").source
        assert source.path("media_dir", str(tmp_path / "x")) == tmp_path / "x"
        assert source.path("media_dir", "~/x") == tmp_path / "home" / "x"


class TestOverrides:
    @pytest.mark.parametrize(
        ("text", "value"),
        [
            ("25", 25),
            ("0.5", 0.5),
            ("true", True),
            ('["V1", "V2"]', ["V1", "V2"]),
            ('"25"', "25"),
            ("euler", "euler"),
            ("a = b", "a = b"),
            ("", ""),
            ("1\nformat = 2", "1\nformat = 2"),
            ("{ use = 'x' }", {"use": "x"}),
        ],
    )
    def test_a_value_is_a_toml_literal_or_itself(self, text: str, value: object) -> None:
        assert parse_override(f"a.b={text}").value == value

    @given(value=st.text())
    def test_no_value_is_too_odd(self, value: str) -> None:
        assert parse_override(f"prompt.template={value}").key == "prompt.template"

    @pytest.mark.parametrize("text", ["", "seed", "=3", "a..b=3", ".a=3", "a b=3", "+=3"])
    def test_what_is_no_override_is_told(self, text: str) -> None:
        with pytest.raises(RecipeError, match="write -s key=value"):
            parse_override(text)

    def test_they_win_in_order(self) -> None:
        assert load_recipe("foley", "sonify", ["run.seed=1", "run.seed=2"]).run.seed == 2

    def test_plus_adds_to_a_list(self) -> None:
        before = load_recipe("foley", "sonify").stems.post
        after = load_recipe("foley", "sonify", ["stems.post+=x", 'stems.post+=["y", { use = "z" }]']).stems.post
        assert [step.use for step in after] == [*(step.use for step in before), "x", "y", "z"]

    def test_plus_adds_to_nothing_else(self) -> None:
        assert "'run.seed' is no list" in mistakes("foley", "run.seed=1", "run.seed+=2")

    def test_a_key_below_a_value_is_told(self) -> None:
        assert "'backend.name' is a value, not a table" in mistakes("foley", "backend.name.size=1")

    def test_a_named_option_stands_for_a_key(self) -> None:
        override = Override(key="prompt.template", value="12", label="--prompt 12")
        assert load_recipe("foley", "sonify", [override]).prompt.template == "12"


class TestMistakes:
    def test_all_are_told_at_once_with_where_each_came_from(self, write) -> None:
        write("[stems]\nbit_depth = 20\n", "base.toml")
        path = write('extends = "base.toml"\n[run]\nsed = 1\n[select]\ntracks = "V1"\n')
        said = mistakes(path, "run.takes=0")
        assert said.splitlines()[0] == f"{path} (with -s run.takes=0):"
        assert 'select.tracks = "V1": must be a list' in said
        assert f"stems.bit_depth = 20: must be 16, 24 or 32 (set in {path.parent / 'base.toml'})" in said
        assert "run.sed: unknown key; did you mean 'run.seed'?" in said
        assert "run.takes = 0: must be greater than or equal to 1 (set by -s run.takes=0)" in said
        assert len(said.splitlines()) == 5

    def test_one_is_told_in_one_line(self, write) -> None:
        path = write("[run]\nsed = 1\n")
        assert mistakes(path) == f"{path}: run.sed: unknown key; did you mean 'run.seed'?"

    @pytest.mark.parametrize(
        ("line", "said"),
        [
            ("sed = 1", "did you mean 'run.seed'?"),
            ("seed = 1", "did you mean 'run.seed'?"),
            ("[stems]\nname = 1", "did you mean 'stems.track_name'?"),
            ("[prompt]\nzzz = 1", "known here: template, negative"),
            ("[backend]\noptions = 3", "backend.options = 3: must be a table"),
            ("[stems]\nsample_rate = '48k'", 'stems.sample_rate = "48k": must be a whole number'),
            ("[stems]\nsample_rate = 48000.0", "must be a whole number"),
            ("[run]\nseed = true", "run.seed = true: must be a whole number"),
            ("[run]\nmax_batch_s = '1'", "must be a number"),
            ("[prompt]\ntemplate = 3", "must be text"),
            ("[prompt]\ntemplate = '{clip.nam}'", "{clip.nam} is no placeholder; known: clip.name"),
            ("[stems]\npost = [3]", "stems.post[0] = 3: must be a table"),
            ("[stems]\npost = [{ fade_s = 1 }]", "stems.post[0].use: is missing"),
            ("extends = 3", "extends must be the name of a recipe"),
            ("extends = 'foly'", "did you mean 'foley'?"),
        ],
    )
    def test_each_says_what_would_be_right(self, write, line: str, said: str) -> None:
        assert said in mistakes(write(line))

    @pytest.mark.parametrize(
        ("override", "said"),
        [
            ("stages.fuson.steps=3", "must be 'vae', 'vocoder'"),
            ("stages.vae.step=3", "did you mean 'stages.vae.steps'?"),
            ("model.vocoder.dimm=3", "did you mean 'model.vocoder.dim'?"),
            ("model.vocoder.kind=vocoz", "kind must be one of 'vocos', 'hifigan', 'bigvgan', 'griffin-lim'"),
            ("model.picture.patch=[7, 1, 1]", "does not tile"),
            ("data.source=folder", "data.folder: is missing"),
        ],
    )
    def test_nested_tables_are_explained_too(self, override: str, said: str) -> None:
        assert said in mistakes("foley_tiny", override)

    def test_a_split_is_one_of_three(self) -> None:
        assert "split = \"tset\": must be 'test', 'held_out' or 'transfer' (set by -s split=tset)" in mistakes(
            "evaluate", "split=tset"
        )

    @pytest.mark.parametrize(
        ("head", "said"),
        [
            ('kind = "sonify"\n', "format is missing; write format = 1"),
            ('format = 2\nkind = "sonify"\n', "this version of AVLink reads format = 1"),
            ("format = 1\n", "kind is missing; it is one of sonify, visualize, spot, train, evaluate"),
            ('format = 1\nkind = "sonfy"\n', "did you mean 'sonify'?"),
            ("format = \n", "is not TOML"),
        ],
    )
    def test_the_head_of_a_recipe(self, write, head: str, said: str) -> None:
        assert said in mistakes(write("", head=head))

    def test_a_recipe_for_something_else(self) -> None:
        assert "is a recipe for `avlink train`, not for `avlink sonify`" in mistakes("foley_tiny", kind="sonify")

    def test_files_that_are_not_there_or_no_text(self, tmp_path: Path) -> None:
        assert "cannot be read: No such file" in mistakes(tmp_path / "none.toml")
        (tmp_path / "folder.toml").mkdir()
        assert "cannot be read" in mistakes(tmp_path / "folder.toml")
        (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
        assert "is not TOML" in mistakes(tmp_path / "bytes.toml")

    def test_values_without_a_file(self) -> None:
        assert check_values(SonifyRecipe, {"run": {"seed": 3}}).run.seed == 3
        with pytest.raises(RecipeError, match=r"the recipe: run\.sed: unknown key"):
            check_values(SonifyRecipe, {"run": {"sed": 3}})


class TestPrompt:
    def test_placeholders_are_filled_and_missing_ones_are_nothing(self) -> None:
        recipe = check_values(SonifyRecipe, {"prompt": {"template": "{clip.name}, {source.name} close"}})
        assert recipe.prompt.fill({"clip.name": "door {x}"}) == "door {x},  close"


def test_a_training_may_start_from_each_component_alone(write) -> None:
    head = 'format = 1\nkind = "train"\n'
    for part in COMPONENTS:
        assert load_recipe(write(f'start_parts = ["{part}"]', head=head), "train").start_parts == (part,)
    assert "start_parts" in mistakes(write('start_parts = ["net"]', head=head))
