"""JSON Schemas generated from the models, for editors and for readers without Python; committed, and checked stale."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from catalogue.norms import NormSet
from catalogue.province import Province
from catalogue.system import Strict, System
from catalogue.target import TargetContract

MODELS: Final[dict[str, type[Strict]]] = {
    "norms": NormSet,
    "province": Province,
    "system": System,
    "target": TargetContract,
}


def render(model: type[Strict]) -> str:
    """Return a model's JSON Schema as it is committed."""
    return json.dumps(model.model_json_schema(by_alias=True), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def path(name: str) -> Path:
    """Return where a schema is committed."""
    return Path(__file__).parent / "schema" / f"{name}.schema.json"


def write_all() -> None:
    """Write every schema afresh."""
    for name, model in MODELS.items():
        path(name).write_text(render(model), encoding="utf-8")


if __name__ == "__main__":
    write_all()
    sys.stdout.write(f"{len(MODELS)} schemas written\n")
