from __future__ import annotations

from dataclasses import replace

import pytest

from avlink.ablation.measure import VariantScores
from avlink.ablation.report import AblateReport


def test_rows_of_one_variant_are_averaged_over_its_seeds() -> None:
    row = VariantScores(
        name="a", makes="sound", at=None, parameters=1, gflops_step=1, steps=2, seconds_step=1, chance=0.1
    )
    rows = (replace(row, f1=0.2, f1_error=0.5), replace(row, name="b", f1=0.3), replace(row, seed=1, f1=0.4))
    means = AblateReport(compute="flops", clips=2, rows=rows).means
    assert [(mean.name, mean.f1, mean.chance) for mean in means] == [("a", pytest.approx(0.3), 0.1), ("b", 0.3, 0.1)]
    # The standard error of a mean of two is half of what lies between them.
    assert means[0].f1_error == pytest.approx(0.1) and means[0].material is None
