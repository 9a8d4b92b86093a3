"""Makes a province of any number of systems out of the example's: the same files, under other names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from catalogue.load import PROVINCE_FILE
from infra import order

_EXAMPLE: Final = Path(__file__).resolve().parents[1] / "catalogue" / "khanh-hoa"
_ENVIRONMENT: Final = "bench"
_REGISTRY: Final = "registry.khanhhoa.example/dcshift"
_API_SERVER: Final = "192.0.2.10:6443"
# Each system may reserve what one of its level does; the sum of many is the centre's, and no figure of this bench.
_CAPACITY: Final = {"cpu": 4000, "memory": "16Ti", "storage": "64Ti"}
_WORKER: Final = "messages"
Document = dict[str, Any]


def system_ids(count: int) -> list[str]:
    """Return the ids of the systems."""
    return [f"s{number:02d}" for number in range(1, count + 1)]


def write(folder: Path, count: int) -> None:
    """Write the catalogue of a province with `count` systems, which is no lab: whatever levels ask for counts."""
    folder.mkdir(parents=True, exist_ok=True)
    province = _read(_EXAMPLE / PROVINCE_FILE)
    province |= {"environment": _ENVIRONMENT, "capacity": _CAPACITY}
    _write(folder / PROVINCE_FILE, province)
    examples = [_read(file) for file in sorted(_EXAMPLE.glob("*.yaml")) if file.name != PROVINCE_FILE]
    for number, name in enumerate(system_ids(count)):
        _write(folder / f"{name}.yaml", _named(examples[number % len(examples)], name))


def settings(stack: str, folder: Path) -> dict[str, str]:
    """Return what a province says of a stack with `pulumi config set`, without the prefix of the keys."""
    said = {"registry": _REGISTRY, "apiServer": _API_SERVER}
    if order.layer(stack) != "system":
        return said
    release = _read(folder / f"{stack}.yaml")["web"]["release"]
    return {**said, "image": f"{release}@sha256:{'a' * 64}"}


def more_replicas(folder: Path, system: str) -> None:
    """Give one system one web pod more than it has and than its level asks for."""
    file = folder / f"{system}.yaml"
    document = _read(file)
    document["web"]["replicas"] = max(document["web"]["replicas"], _REPLICAS_OF_LEVELS_MAX) + 1
    _write(file, document)


_REPLICAS_OF_LEVELS_MAX: Final = 3


def _named(example: Document, name: str) -> Document:
    """Return a system of this name that shares nothing with the example's but its shape.

    Each has all that a system may have, a pool and a worker too, whichever example it was: so that one system costs
    what any other does, and the figures of three sizes say what one more costs.
    """
    source = example["source"]
    return {
        **example,
        "id": name,
        "web": {**example["web"], "host": name},
        "database": {**example["database"], "pooler": "session"},
        "workers": [{"name": _WORKER, "command": ["manage", "send_messages"], "alive": ["messages-alive"]}],
        "source": {
            **source,
            "database": {**source["database"], "name": name},
            "workers": {_WORKER: {"host": source["web"]["host"], "service": f"{name}-{_WORKER}.service"}},
        },
    }


def _read(file: Path) -> Document:
    document: Document = yaml.safe_load(file.read_text(encoding="utf-8"))
    return document


def _write(file: Path, document: Document) -> None:
    file.write_text(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), encoding="utf-8")
