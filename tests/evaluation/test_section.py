from __future__ import annotations

import pytest

from avlink.evaluation.section import plain_table


def test_words_stand_left_and_figures_right():
    assert plain_table(
        ["what", "f1", "n"], [["model", 0.81234, 128], ["chance", None, 9]], title="Sync"
    ).splitlines() == [
        "Sync",
        "what       f1    n",
        "------  -----  ---",
        "model   0.812  128",
        "chance           9",
    ]


def test_no_rows_are_just_heads():
    assert plain_table(["a", "b"], []).splitlines() == ["a  b", "-  -"]


def test_rows_must_fit():
    with pytest.raises(ValueError, match="does not fit"):
        plain_table(["a", "b"], [["only one"]])
