"""A node for ComfyUI: frames in, their sound out. Copy or link this folder into ComfyUI's `custom_nodes`.

ComfyUI loads it by its path, so AVLink itself must be installed in ComfyUI's Python; README.md explains how.
"""

from .nodes import NODE_CLASS_MAPPINGS, NODE_DISPLAY_NAME_MAPPINGS

__all__ = ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS"]
