"""The example province as somebody's own: an environment that is no lab, in a folder of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.declared import CATALOGUE

OWN = {"registry": "registry.khanhhoa.example/dcshift", "apiServer": "10.1.0.10:6443"}
DEPLOYED = {"release": "9", "image": f"9@sha256:{'a' * 64}"}


def province(folder: Path, *changes: tuple[str, str, str]) -> Path:
    """Copy the example into `folder/province` as production; a change is file, words that stand there, other words."""
    made = folder / "province"
    shutil.copytree(CATALOGUE, made)
    for name, old, new in (("province.yaml", "environment: lab", "environment: production"), *changes):
        file = made / name
        text = file.read_text(encoding="utf-8")
        assert old in text, f"{name} has no {old!r}"
        file.write_text(text.replace(old, new), encoding="utf-8")
    return made
