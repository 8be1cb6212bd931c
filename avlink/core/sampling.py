"""Settings of the samplers, with the defaults of the built-in model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

SolverName = Literal["euler", "heun", "ab2", "dpmpp_2m"]
"""Solvers of the samplers: the paper's, and three of second order."""
AlignedAt = Literal["predicted", "noisy"]
"""Latents that an aligner reads: the data that a step predicts, or the noisy latents of the step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleConfig:
    """Settings of a sampler; the defaults are those of sound for the built-in model."""

    # Measured on a small model (onset F1, 64 clips, error .03): guidance of 1, 3 and 5 gives .67, .77 and .78; a
    # conditioning flow time of .5, .8, .96 and 1 gives .53, .76, .77 and .76.
    steps: int = 4
    """Steps of the solver; the paper takes 64."""
    solver: SolverName = "euler"
    """See `flow.solver.updates`; the paper's is `euler`."""
    guidance: float = 4.0
    """Weight of classifier-free guidance; the paper's is 5."""
    guidance_interval: tuple[float, float] = (0.0, 1.0)
    """Flow times [from, to) at which guidance counts (Kynkäänniemi et al. 2024); elsewhere one pass is enough."""
    text_guidance: float = 1.0
    """Weight of guidance by words alone, if `guidance` is 1: by what the prompt adds, against the negative prompt, to
    the velocity of the audio backbone without picture. 1 is none. It costs nothing for requests without words."""
    guidance_rescale: float = 0.5
    """Share by which guided sound is brought back to its spread without guidance; see `flow.solver.rescale`."""
    alignment: float = 0.0
    """Weight of guidance by the model's aligner, for sound for pictures; 0 is none. See `engine.sampling.alignment`."""
    alignment_at: AlignedAt = "predicted"
    """`predicted` as in Seeing-and-Hearing (Xing et al. 2024), `noisy` as in Diff-Foley (Luo et al. 2023)."""
    shift: float = 4.0
    """Shift of the steps towards noise; see `flow.schedule.flow_times`."""
    t_condition: float = 0.96
    """Fixed flow time of the conditioning modality: the paper's 0.96 for V2A; its A2V takes 0.8 (section 4.4)."""
    bf16: bool = False
    """Run the backbones and the Fusion Blocks in bfloat16 (torch.autocast), for devices that compute in it. The
    state of the solver and the codec stay in fp32."""
    max_windows: int = 2
    """Windows in one forward pass, which bounds the memory."""
    use_fusion: bool = True
    """Generate from picture and prompt, or from sound and prompt. Without, a backbone generates from its prompt alone
    (T2A, T2V; section 3.1)."""
    use_picture: bool = True
    use_motion: bool = True
    """Read motion by the motion stem. Without it the readout tells it from the video backbone, if the model has one."""
    use_backbone: bool = True
    """Read the picture by the backbone of the other modality too. Without it sound knows of the picture what the motion
    stem sees, and of hits."""


SOUND = SampleConfig()
"""Sound for pictures. With even steps four leave sounds quiet and prompts unheard: words count near noise."""
PICTURES = SampleConfig(steps=8, guidance=3.0, shift=5.0, t_condition=0.8)
"""Pictures for sound. Their content, too, is decided near noise."""
TEXT = SampleConfig(steps=12, guidance=5.0, guidance_rescale=0.0, shift=3.0)
"""Sound for text alone."""
PAPER = SampleConfig(steps=64, guidance=5.0, guidance_rescale=0.0, shift=1.0)
"""The paper's (C.2), for both directions."""
