"""How a system's pods open its volumes of files: which part opens which, where, and on which node; pure."""

from __future__ import annotations

from typing import Any, Final, Literal

from catalogue import volumes
from catalogue.system import Files, System
from infra import naming
from infra.spreading import HOST

Document = dict[str, Any]
Part = Literal["web", "job", "worker"]
MODES: Final = {"many-pods": "ReadWriteMany", "one-pod": "ReadWriteOnce"}


def opened(system: System, part: Part) -> list[Files]:
    """Return the sets of files that the pods of a part open: of those for one pod, the web process alone."""
    return [files for files in volumes.of(system) if part == "web" or files.access == "many-pods"]


def in_pod(system: System, part: Part) -> list[Document]:
    """Return the pod's `volumes`."""
    return [
        {"name": _named(files), "persistentVolumeClaim": {"claimName": naming.claim(system.id, files.name)}}
        for files in opened(system, part)
    ]


def opening(system: System, part: Part, container: Document) -> Document:
    """Return a container that opens what its part may, beside what it has."""
    mounted = [{"name": _named(files), "mountPath": volumes.path(system, files)} for files in opened(system, part)]
    return {**container, "volumeMounts": [*container["volumeMounts"], *mounted]}


def alone(system: System) -> bool:
    """Say whether the web process may have one pod only, as one node alone may write what it opens."""
    return any(files.access == "one-pod" for files in volumes.of(system))


def beside_the_last(system: System, selector: dict[str, str]) -> Document:
    """Return the pod's `affinity`: a release begins the next pod before the last has ended, on the only node that may.

    Where no pod runs any more, the scheduler lets the first one stand anywhere.
    """
    if not alone(system):
        return {}
    term = {"labelSelector": {"matchLabels": selector}, "topologyKey": HOST}
    return {"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}}


def _named(files: Files) -> str:
    return f"files-{files.name}"
