from collections.abc import Callable

import torch


class FlowMatching:
    def __init__(self, min_sigma: float = 0.0, inference_mode="euler", num_steps: int = 25):
        assert inference_mode == "euler" and min_sigma == 0
        self.num_steps = num_steps

    def to_data(self, fn: Callable, x0: torch.Tensor) -> torch.Tensor:
        x = x0
        for step in range(self.num_steps):
            x = x + fn(torch.tensor(step / self.num_steps), x) / self.num_steps
        return x
