from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_imports_go_down_the_floors_only() -> None:
    code = "from importlinter.cli import lint_imports; import sys; sys.exit(lint_imports(cache_dir=None))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_training_on_clips_that_are_there_needs_no_decoder() -> None:
    """Machines that only train may lack PyAV, whose wheel is larger than all else but torch."""
    modules = "avlink.training.train, avlink.ablation.ablate, avlink.training.validation"
    code = f"import sys; sys.modules['av'] = None; import {modules}"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
