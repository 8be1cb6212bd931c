"""The one place that imports torchaudio.

The wheel on the package index is built for CUDA. Beside a torch of another build `import torchaudio` dies with OSError
while it loads its compiled extension, and everything that imports it (transformers too) dies with it. Mel, resampling
and Griffin-Lim are pure Python: an empty stand-in for the extension module makes them work.
"""

from __future__ import annotations

import sys
import types
import warnings


def _import() -> types.ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchaudio
        except OSError:
            for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
                del sys.modules[name]
            stand_in = types.ModuleType("torchaudio._extension")
            stand_in.fail_if_no_align = lambda function: function  # type: ignore[attr-defined]
            stand_in._IS_TORCHAUDIO_EXT_AVAILABLE = False  # type: ignore[attr-defined]
            stand_in._IS_RNNT_AVAILABLE = False  # type: ignore[attr-defined]
            stand_in._IS_ALIGN_AVAILABLE = False  # type: ignore[attr-defined]
            sys.modules["torchaudio._extension"] = stand_in
            import torchaudio
        import torchaudio.functional
        import torchaudio.transforms
    return torchaudio


torchaudio = _import()
