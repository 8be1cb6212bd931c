"""MuJoCo with a renderer that needs no screen, loaded on first use, or one sentence that says what is missing."""

from __future__ import annotations

import ctypes
import os
import sys
from functools import cache
from typing import Any

from avlink.core.errors import InputError
from avlink.core.input_files import describe

_MISSING = "scenes of the physics foundry need MuJoCo; install it with: pip install 'avlink[foundry3d]'"
_NO_DEVICE = 0
_EGL_LIBRARY, _OSMESA_LIBRARIES = "libEGL.so.1", ("libOSMesa.so.8", "libOSMesa.so.6", "libOSMesa.so")


@cache
def load_mujoco() -> Any:
    """Return the module `mujoco`, with MUJOCO_GL set where it is not: egl, else osmesa.

    Raises InputError where MuJoCo is not installed, or no library draws without a screen.
    """
    # MuJoCo reads this variable when it is imported, and takes no argument in its place.
    if sys.platform == "linux" and not os.environ.get("MUJOCO_GL"):
        os.environ["MUJOCO_GL"] = _find_renderer()
    # Clips are made side by side in processes, where threads of the software renderer only wait for each other: 0 draws
    # in the thread that asks for it.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    try:
        import mujoco
    except ModuleNotFoundError as error:
        if error.name != "mujoco":
            raise InputError(f"MuJoCo is not complete: {describe(error)}; {_MISSING}") from None
        raise InputError(_MISSING) from None
    except Exception as error:
        # The first import opens the display: whatever is raised comes from the GL library.
        raise cannot_draw(error) from None
    # Unstable scenes are found and planned anew; MuJoCo would also write of them to a file in the working folder.
    mujoco.set_mju_user_warning(lambda text: None)
    return mujoco


def cannot_draw(error: Exception) -> InputError:
    """Return what is said where the GL library fails."""
    chosen = os.environ.get("MUJOCO_GL") or "the system's own"
    return InputError(
        f"MuJoCo cannot draw with MUJOCO_GL={chosen} ({describe(error)}); install a software renderer (Debian: libegl1 "
        "libgl1-mesa-dri, or libosmesa6) or set another MUJOCO_GL"
    )


@cache
def open_renderer(width: int, height: int) -> Any:
    """Return the GL context of a size; making one takes as long as ten frames. Raises InputError."""
    mujoco = load_mujoco()
    try:
        context = mujoco.GLContext(width, height)
        context.make_current()
        # The first thing that is drawn with: it fails where the library was loaded and has no device.
        mujoco.MjrContext(mujoco.MjSpec().compile(), mujoco.mjtFontScale.mjFONTSCALE_100.value).free()
    except Exception as error:
        raise cannot_draw(error) from None
    return context


def missing_reason() -> str | None:
    """Return why no scene can be rendered here, None where one can."""
    try:
        open_renderer(16, 16)
    except InputError as error:
        return str(error)
    return None


def _find_renderer() -> str:
    """Return the renderer that this machine has: egl with at least one device, else osmesa. Raises InputError."""
    if _count_egl_devices() > 0:
        return "egl"
    for name in _OSMESA_LIBRARIES:
        try:
            ctypes.CDLL(name)
        except OSError:
            continue
        return "osmesa"
    raise InputError(
        "the physics foundry finds neither EGL nor OSMesa to draw with; install a software renderer (Debian: libegl1 "
        "libgl1-mesa-dri, or libosmesa6)"
    )


def _count_egl_devices() -> int:
    try:
        egl = ctypes.CDLL(_EGL_LIBRARY)
        egl.eglGetProcAddress.restype = ctypes.c_void_p
        address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    except (OSError, AttributeError):
        return 0
    if not address:
        return 0
    count = ctypes.c_int(0)
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    return count.value if query(_NO_DEVICE, None, ctypes.byref(count)) else 0
