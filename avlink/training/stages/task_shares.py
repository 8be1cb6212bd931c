"""The division of a batch among the tasks of a joint fusion."""

from __future__ import annotations


def task_shares(clips: int, tasks: int, turn: int) -> list[int]:
    """Return the number of clips of each task in the micro-batch number `turn` of `clips`.

    The clips that are left after an equal division go to other tasks each time: in as many turns as there are tasks,
    each task has `clips`.
    """
    whole, left = divmod(clips, tasks)
    shares = [whole] * tasks
    for extra in range(left):
        shares[(turn * left + extra) % tasks] += 1
    return shares
