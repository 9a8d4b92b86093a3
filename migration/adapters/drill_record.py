"""Writes down in the cluster what a drill of one system found: the last one, and the last whose copy was equal.

Whoever declares the databases reads it there (`infra/drills.py`); it holds figures and names of tables, no row and no
key. It keeps no history: that is in the files of whoever ran the drills. Beside it stand two marks, for whoever sees of
an object only when it was made, as monitoring does: one is made anew by each drill that was equal, the other is there
as long as the last drill had failed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from migration.adapters.config_maps import ConfigMaps
from migration.adapters.drill_room import LABELS, scratch_name
from migration.adapters.kubernetes import KubernetesCluster

LAST: Final = "last"
EQUAL: Final = "last-equal"
_FIELD_MANAGER: Final = "dcshift-drill"
_ENDED: Final = "the drill itself has ended, and its scratch database is removed"
_WHY: Final = "something else writes it too"
_GONE: Final = "it was made, and is not there"


class DrillRecord:
    """Three ConfigMaps in the namespace of drills, called after the scratch database."""

    def __init__(self, system: str, namespace: str, cluster: KubernetesCluster) -> None:
        self._name = scratch_name(system)
        self._equal, self._failed = f"{self._name}-equal", f"{self._name}-failed"
        self._maps = ConfigMaps(namespace, cluster, LABELS, _FIELD_MANAGER)

    def write(self, document: Mapping[str, Any]) -> str:
        """Write what was found and read it again; return where it stands. Raises `StepFailed`."""
        text = json.dumps(document, ensure_ascii=False, sort_keys=True)
        # A drill that found a difference leaves the good one before it: how old that is, is what must be known.
        data = {LAST: text, **({} if document["differences"] else {EQUAL: text})}
        if document["differences"]:  # first: whoever dies after it has told the worse, and somebody is called
            self.failed("; ".join(document["differences"]))
        self._maps.merge(self._name, data)
        found = self._maps.read(self._name) or {}
        if {key: found.get(key) for key in data} != data:
            raise self._maps.differs(self._name, _WHY, _ENDED)
        if not document["differences"]:
            self._mark_equal({"at_epoch_seconds": str(document["at_epoch_seconds"])})
            # Last: whoever dies before it is still told to have failed, and never the other way round.
            self._forget_failed()
        return f"{self._maps.namespace}/{self._name}"

    def failed(self, why: str) -> None:
        """Say that a drill proved a backup of no use, and nothing else of it. Raises `StepFailed`."""
        # One that is there stays: it says since when, and without it for a moment nobody would know.
        if self._maps.read(self._failed) is None:
            self._maps.create(self._failed, {"why": why})
        if self._maps.read(self._failed) is None:
            raise self._maps.differs(self._failed, _GONE, _ENDED)

    def _mark_equal(self, data: Mapping[str, str]) -> None:
        self._maps.delete(self._equal)
        # Killed here, there is none: that counts as never, and calls somebody sooner than it should.
        self._maps.create(self._equal, data)
        if self._maps.read(self._equal) != data:
            raise self._maps.differs(self._equal, _WHY, _ENDED)

    def _forget_failed(self) -> None:
        self._maps.delete(self._failed)
        if self._maps.read(self._failed) is not None:
            raise self._maps.differs(self._failed, "it was deleted, and is there", _ENDED)
