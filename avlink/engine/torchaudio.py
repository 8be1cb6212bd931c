"""The only module that imports torchaudio.

The wheel on the package index is built for CUDA. Beside another build of torch, `import torchaudio` raises OSError
while it loads its compiled extension, and so does everything that imports it, such as transformers. Mel, resampling
and Griffin-Lim are pure Python: they work with an empty module in the place of the extension.
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
            # Removed, or the second import would return the half-initialised modules of the first.
            for name in [name for name in sys.modules if name.split(".")[0] == "torchaudio"]:
                del sys.modules[name]
            stand_in = types.ModuleType("torchaudio._extension")
            # The names that torchaudio imports from it.
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
