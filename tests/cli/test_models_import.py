"""`avlink models import` as a user runs it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "engine"))
from layouts import GENAU, vae_layout


def test_the_command_says_what_it_took_and_under_which_licence(tmp_path: Path, avlink: Any) -> None:
    torch.save({"state_dict": vae_layout(**GENAU)}, tmp_path / "1dvae.ckpt")
    told = avlink("models", "import", tmp_path / "1dvae.ckpt", "-o", tmp_path / "parts", "--json").json
    licence = "Snap, non-commercial research only"
    assert told["parts"] == [{"part": "vae", "what": "GenAU's 1D-VAE", "licence": licence, "file": "1dvae.ckpt"}]
    shown = avlink("models", "info", tmp_path / "parts", "--json").json
    assert shown["licence"] == f"vae: {licence}"
