"""A joint fusion divides its clips among all tasks, however few are in a micro-batch."""

from __future__ import annotations

import pytest

from avlink.core.errors import InputError
from avlink.core.recipe import load_recipe
from avlink.training.stages.build import check_parallel
from avlink.training.stages.task_shares import task_shares


@pytest.mark.parametrize("tasks", [1, 2, 3])
@pytest.mark.parametrize("clips", [1, 2, 3, 4, 5, 8])
def test_in_as_many_turns_as_there_are_tasks_each_has_the_clips_of_one_turn(clips: int, tasks: int) -> None:
    turns = [task_shares(clips, tasks, turn) for turn in range(4 * tasks)]
    assert all(sum(shares) == clips and max(shares) - min(shares) <= 1 for shares in turns)
    for start in range(3 * tasks):
        assert [sum(column) for column in zip(*turns[start : start + tasks], strict=True)] == [clips] * tasks


def test_a_batch_with_fewer_clips_than_tasks_is_refused() -> None:
    recipe = load_recipe("paper/fusion_joint", "train", ['stages.fusion_joint.tasks=["v2a", "a2v", "both"]'])
    few = recipe.model_copy(
        update={
            "stages": {"fusion_joint": recipe.stages["fusion_joint"].model_copy(update={"batch": 2, "micro_batch": 1})}
        }
    )
    check_parallel(recipe, ["fusion_joint"], 1)
    with pytest.raises(InputError, match="batch = 2 leaves one of the tasks v2a, a2v, both without clips"):
        check_parallel(few, ["fusion_joint"], 1)
