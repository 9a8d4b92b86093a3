"""Container images of the lab, built without any registry and brought to the node; it never starts a container."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from lab.images import containerd, store
from lab.images.recipes import INFRASTRUCTURE, RELEASES, WITHOUT_TOOLS, image_name, recipe
from lab.images.store import Image

ALL: Final = tuple(dict.fromkeys((*INFRASTRUCTURE, *WITHOUT_TOOLS)))
"""Short names of all images; `image_name` gives the full one."""

__all__ = ["ALL", "INFRASTRUCTURE", "RELEASES", "WITHOUT_TOOLS", "Image", "build_images", "image_name", "import_images"]


def build_images(names: Sequence[str], progress: Callable[[str], None]) -> dict[str, Image]:
    """Return the images of these short names, built as far as the cache lacks their layers (minutes the first time)."""
    built: dict[str, Image] = {}
    for name in names:
        progress(f"image {name}")
        built[name] = store.build(recipe(name))
    return built


def import_images(images: Sequence[Image], socket: Path) -> list[str]:
    """Bring images to the node's containerd; return the names of those that it lacked."""
    return containerd.import_images(images, socket)
