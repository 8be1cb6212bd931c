from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from avlink.core.hashing import canonical_json, derive_seed, digest, fraction_text

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(value=st.dictionaries(st.text(), JSON, max_size=6))
def test_a_digest_does_not_depend_on_the_order_of_keys(value: dict) -> None:
    assert digest(value) == digest(dict(reversed(value.items())))


@given(one=JSON, other=JSON)
def test_equal_digests_mean_equal_json(one: object, other: object) -> None:
    assert (digest(one) == digest(other)) == (canonical_json(one) == canonical_json(other))


def test_a_digest_is_the_same_in_every_version() -> None:
    # Caches outlive releases: when this changes on purpose, the formats inside the keys must change too.
    assert digest({"b": [1, "é", None], "a": 0.5}) == "46b4feb0e71ef5788f20d0d7b16533e0c989fb1c"


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_are_not_finite_have_no_name(value: float) -> None:
    with pytest.raises(ValueError):
        digest(value)


def test_what_is_no_json_has_no_name() -> None:
    with pytest.raises(TypeError):
        digest(Fraction(1, 2))  # type: ignore[arg-type]


@given(parts=st.lists(st.integers() | st.text(), max_size=4))
def test_seeds_fit_into_63_bits_and_depend_on_every_part(parts: list) -> None:
    seed = derive_seed(*parts)
    assert 0 <= seed < 2**63
    assert seed == derive_seed(*parts)
    assert seed != derive_seed(*parts, "more")


def test_fractions_are_written_in_lowest_terms() -> None:
    assert fraction_text(Fraction(2002, 48000)) == "1001/24000"
