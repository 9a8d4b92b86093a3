"""The example province as a centre that is no lab: whole, or one system at any level and exposure; it asks no cluster.

What a level changes is seen only where everything else stays: same system, same province, other level.
`python -m infra.render.representative FOLDER` writes the whole one's manifests and those of some places, a folder each,
for judges that are not ours.
"""

from __future__ import annotations

import functools
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, get_args

import yaml

from catalogue import norms
from catalogue.system import Access, System
from infra import naming, order
from infra.render.declared import Built, build
from infra.render.manifests import manifests, write

Document = dict[str, Any]
EXAMPLE: Final = Path(__file__).resolve().parents[2] / "catalogue" / "khanh-hoa"
SYSTEM: Final = "portal"
WHOLE: Final = "province"
EXPOSURES: Final[tuple[str, ...]] = get_args(System.model_fields["exposure"].annotation)
# Nothing of it is excused from what levels ask for, and every level fits on it.
_PROVINCE: Final = {"environment": "production", "capacity": {"cpu": 64, "memory": "256Gi", "storage": "2Ti"}}
# Level 1 is refused for personal data; with the same classes at every level only the level differs.
_DATA: Final = {"classes": ["public"]}
_VOLUME: Final = "templates"
_SETTINGS: Final = {"registry": "registry.example.vn/dcshift", "apiServer": "10.0.0.10:6443"}
_PLATFORM: Final = {"prometheusImage": f"sha256:{'b' * 64}", "alertmanagerImage": f"sha256:{'c' * 64}"}
_SECURITY: Final = {"rsyslogImage": f"sha256:{'d' * 64}"}
_DEPLOYED: Final = {"release": "9", "image": f"9@sha256:{'a' * 64}", "migrate": "true", "serves": "target"}


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the norms a system stands."""

    level: int
    exposure: str
    files: Access | None = None
    """Who opens a volume of files that the system has; none where it has none."""

    def __str__(self) -> str:
        return f"level {self.level} {self.exposure}" + (f" volume for {self.files}" if self.files else "")


PLACES: Final = tuple(Place(level, exposure) for level in norms.LEVELS for exposure in EXPOSURES)
SOME: Final = (
    *(Place(1, "internal", "one-pod"), Place(2, "government-network")),
    *(Place(3, "internet", "many-pods"), Place(4, "internet"), Place(5, "internal")),
)
"""Every level, exposure and kind of volume at least once, where a judgement of all would take too long."""


@functools.cache
def stacks(place: Place) -> tuple[Built, ...]:
    """Return all stacks of a centre that has this one system."""
    there = {"level": place.level, "exposure": place.exposure, "data": _DATA}
    return _built({SYSTEM: there | (with_volume(place.files) if place.files else {})})


def province() -> tuple[Built, ...]:
    """Return all stacks of the example with all its systems, each as its file says."""
    return _built({file.stem: {} for file in sorted(EXAMPLE.glob("*.yaml")) if file.stem != "province"})


def documents(place: Place) -> list[Document]:
    """Return the manifests of the system alone, ordered: what stands in its namespaces, these, and its pipeline."""
    own = {naming.app_namespace(SYSTEM), naming.data_namespace(SYSTEM)}
    return [
        manifest.document
        for built in stacks(place)
        for manifest in manifests(built)
        if own & {manifest.document["metadata"].get("namespace"), manifest.document["metadata"]["name"]}
        or manifest.document["metadata"]["name"] == naming.deploy_identity(SYSTEM)
    ]


def _built(systems: dict[str, Document]) -> tuple[Built, ...]:
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        _write(folder, "province", _PROVINCE)
        for name, changed in systems.items():
            _write(folder, name, changed)
        return (
            build("platform", {**_SETTINGS, **_PLATFORM}, catalogue=folder),
            *(build(order.ground(name), _SETTINGS, catalogue=folder) for name in systems),
            build("data", _SETTINGS, catalogue=folder),
            build("security", {**_SETTINGS, **_SECURITY}, catalogue=folder),
            *(build(name, {**_SETTINGS, **_DEPLOYED}, catalogue=folder) for name in systems),
        )


def with_volume(access: Access) -> Document:
    """Return what the system's file says with a volume of files beside its bucket."""
    content = _read(SYSTEM)
    volume = {"name": _VOLUME, "kind": "volume", "storage": "5Gi", "access": access}
    source = content["source"]
    lying = source["files"] | {_VOLUME: {"host": source["web"]["host"], "path": f"/opt/{SYSTEM}/{_VOLUME}"}}
    return {"files": [*content["files"], volume], "source": source | {"files": lying}}


def _read(name: str) -> Document:
    content: Document = yaml.safe_load((EXAMPLE / f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def _write(folder: Path, name: str, changed: Document) -> None:
    content = _read(name)
    if name == "province":
        content["target"]["shared_storage_class"] = "cephfs-retain"
        content["target"]["node_pools"] = list(EXPOSURES)
    (folder / f"{name}.yaml").write_text(yaml.safe_dump(content | changed, allow_unicode=True), encoding="utf-8")


def main(words: Sequence[str]) -> None:
    """Write the manifests of each centre into a folder of its own, one folder a stack."""
    for centre, built in {WHOLE: province(), **{str(place): stacks(place) for place in SOME}}.items():
        for each in built:
            write(Path(words[0]) / centre / each.stack, manifests(each))


if __name__ == "__main__":
    main(sys.argv[1:])
