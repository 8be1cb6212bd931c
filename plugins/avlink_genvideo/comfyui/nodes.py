"""The node. AVLink is imported when it runs, because ComfyUI imports all nodes when it starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

_LARGEST_SEED = 0xFFFFFFFFFFFFFFFF
_LARGEST_OF_OURS = (1 << 63) - 1
_DEVICES = ("auto", "cpu", "cuda", "mps")


class AVLinkFoley:
    """Generates AUDIO for an IMAGE batch, its frame rate and a prompt, of exactly the same length."""

    CATEGORY = "audio/AVLink"
    DESCRIPTION = (
        "Generates synchronised foley for a video. Give it the decoded frames and the prompt of the video; connect its "
        "AUDIO to Create Video or Video Combine."
    )
    RETURN_TYPES = ("AUDIO",)
    RETURN_NAMES = ("audio",)
    OUTPUT_TOOLTIPS = ("Stereo sound at 48 kHz, as long as the video.",)
    FUNCTION = "generate"
    SEARCH_ALIASES: ClassVar[list[str]] = ["foley", "video to audio", "sound effects", "v2a"]

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        """Return the inputs of the node in ComfyUI's form."""
        words = {"multiline": True, "default": "", "dynamicPrompts": False}
        seed = {"default": 0, "min": 0, "max": _LARGEST_SEED, "control_after_generate": True}
        fps = {"default": 16.0, "min": 1.0, "max": 240.0, "step": 0.001}
        loudness = {"default": -23.0, "min": -70.0, "max": 0.0, "step": 0.5}
        return {
            "required": {
                "images": ("IMAGE", {"tooltip": "The frames of the video, in order."}),
                "fps": ("FLOAT", {**fps, "tooltip": "Frames per second."}),
                "prompt": ("STRING", {**words, "tooltip": "The prompt of the video, or what it should sound like."}),
                "seed": ("INT", {**seed, "tooltip": "Another seed, another variation."}),
            },
            "optional": {
                "negative": ("STRING", {**words, "tooltip": "What it should not sound like."}),
                "loudness": ("FLOAT", {**loudness, "tooltip": "LUFS: -23 is EBU R128, -14 YouTube; 0 leaves it."}),
                "model": ("STRING", {"default": "builtin", "tooltip": "A model that ships, or a bundle's folder."}),
                "device": (list(_DEVICES), {"default": "auto"}),
            },
        }

    @classmethod
    def VALIDATE_INPUTS(
        cls, fps: float | None = None, loudness: float | None = None, model: str | None = None
    ) -> bool | str:
        """Return True, or a sentence on an invalid input. Inputs that come from other nodes are None here."""
        from avlink import BundleError, find_bundle

        if fps is not None and not fps > 0:
            return f"fps is {fps}; it must be above 0"
        if loudness is not None and not -70 <= loudness <= 0:
            return f"loudness is {loudness}; it is a number of LUFS from -70 to 0, where 0 leaves it as it is"
        try:
            if model is not None:
                find_bundle(model)
        except BundleError as error:
            return str(error)
        return True

    @classmethod
    def IS_CHANGED(cls, model: str | None = None, **inputs: Any) -> str:
        """Return the model's fingerprint, so that ComfyUI runs the node again when the model's content changes."""
        from avlink import BundleError, bundle_fingerprint, find_bundle

        try:
            return bundle_fingerprint(find_bundle(model or "builtin"))
        except BundleError:
            return ""

    def generate(
        self,
        images: Any,
        fps: float,
        prompt: str,
        seed: int,
        negative: str = "",
        loudness: float = -23.0,
        model: str = "builtin",
        device: str = "auto",
    ) -> tuple[dict[str, Any]]:
        """Return ComfyUI's AUDIO: {"waveform": float tensor of shape (1, channels, samples), "sample_rate": hertz}."""
        import torch

        from avlink_genvideo.library import get_finisher

        make = get_finisher(
            lufs=None if loudness == 0 else float(loudness),
            device=device,
            settings=() if model == "builtin" else (f"backend.options.model={_quoted(model)}",),
        )
        wave = make(
            images,
            fps,
            prompt,
            negative=negative,
            # ComfyUI's seeds have 64 bits, ours 63.
            seed=int(seed) & _LARGEST_OF_OURS,
            layout="THWC",
            on_step=_progress(),
        )
        return ({"waveform": torch.from_numpy(wave.samples.copy())[None], "sample_rate": wave.sample_rate},)


def _quoted(text: str) -> str:
    """Return a text as a TOML string, for a value of a recipe."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _progress() -> Callable[[int, int], None]:
    """Return a callback for ComfyUI's progress bar and stop button; outside of ComfyUI one that does nothing."""
    try:
        from comfy.model_management import throw_exception_if_processing_interrupted as stop
        from comfy.utils import ProgressBar
    except ImportError:
        return lambda done, total: None
    bars: list[Any] = []

    def step(done: int, total: int) -> None:
        stop()
        if not bars:
            bars.append(ProgressBar(total))
        bars[0].update_absolute(done, total)

    return step


NODE_CLASS_MAPPINGS = {"AVLinkFoley": AVLinkFoley}
NODE_DISPLAY_NAME_MAPPINGS = {"AVLinkFoley": "Foley for video (AVLink)"}
