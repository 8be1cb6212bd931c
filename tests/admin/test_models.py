"""Models are listed with what they are made of, and no weight is read for it."""

from __future__ import annotations

import pytest

from avlink.admin.models import list_models, model_info
from avlink.core.bundles import shipped_bundles
from avlink.core.errors import BundleError


def test_all_shipped_bundles_and_the_paper_are_listed() -> None:
    assert [model["name"] for model in list_models()] == [*shipped_bundles(), "paper"]


@pytest.mark.parametrize("name", [model["name"] for model in list_models()])
def test_parameters_add_up(name: str) -> None:
    info = model_info(name)
    parts = dict(info["parameters"])
    assert parts.pop("total") == sum(parts.values()) > 0
    assert info["weights"] is (name != "paper")


def test_the_paper_has_its_window() -> None:
    info = model_info("paper")
    assert (info["window_tokens"], info["picture"], info["motion_stem"]) == (129, "64x36 at 6 fps", False)


def test_a_model_that_is_not_there_is_told() -> None:
    with pytest.raises(BundleError, match="there is no model 'nothing'"):
        model_info("nothing")
