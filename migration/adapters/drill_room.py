"""Backups of a CloudNativePG cluster, and a scratch cluster restored from one; the living one is never changed."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from typing import Any, Final

from catalogue.target import TargetBackup, TargetDatabase
from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed
from migration.model.drilled import Base, Instant
from migration.ports import Clock

_GROUP: Final = ("postgresql.cnpg.io", "v1")
LABELS: Final = {"app.kubernetes.io/managed-by": "dcshift", "app.kubernetes.io/component": "restore-drill"}
_ORIGIN: Final = "origin"
_REQUEST_SECONDS: Final = 10
_BACKUP_SECONDS_MAX: Final = 6 * 3600.0
_CLEAR_SECONDS_MAX: Final = 300.0
_LOOK_SECONDS: Final = 2.0


def scratch_name(system: str) -> str:
    """Return the name of a system's scratch cluster."""
    return f"{system}-drill"


class DrillRoom:
    """Port `Room`."""

    def __init__(self, system: str, database: TargetDatabase, cluster: KubernetesCluster, clock: Clock) -> None:
        if database.backup is None:
            raise StepFailed(
                "backups-not-declared",
                what=f"{system} has no place for backups",
                why="its contract names none: its stack was applied before backups were part of it",
                state="nothing was changed",
                next=f"pulumi up --stack platform; python -m infra.provide; pulumi up --stack data; then {system}",
            )
        self._system, self._database, self._backup = system, database, database.backup
        self._cluster, self._clock = cluster, clock
        self._name = scratch_name(system)

    def newest_backup(self) -> Base | None:
        found = self._custom("list", self._database.namespace, "backups")["items"]
        done = [one for one in found if self._is_ours(one) and one.get("status", {}).get("phase") == "completed"]
        return max(map(_base, done), key=lambda base: base.ended_at, default=None)

    def _is_ours(self, backup: Mapping[str, Any]) -> bool:
        return bool(backup["spec"]["cluster"]["name"] == self._database.cluster)

    def back_up(self) -> Base:
        name = f"{self._database.cluster}-drill-{int(self._clock.now())}"
        body = {
            "metadata": {"name": name, "labels": LABELS},
            "spec": {"cluster": {"name": self._database.cluster}, "method": "barmanObjectStore"},
        }
        self._custom("create", self._database.namespace, "backups", body=body)
        began = self._clock.monotonic()
        while True:
            one = self._custom("get", self._database.namespace, "backups", name)
            status = one.get("status", {})
            phase = status.get("phase", "not begun")
            if phase == "completed":
                return _base(one)
            if phase == "failed" or self._clock.monotonic() - began > _BACKUP_SECONDS_MAX:
                raise StepFailed(
                    "backup-failed",
                    what=f"{self._system} could not be backed up",
                    why=f"Backup {self._database.namespace}/{name} is {phase}: {status.get('error', 'no reason')}",
                    state="the database serves as before; nothing was restored",
                    next="look at the bucket and its keys, and at the log of the cluster's pod",
                )
            self._clock.sleep(_LOOK_SECONDS)

    def restore(self, base: Base, instant: Instant) -> None:
        living = self._custom("get", self._database.namespace, "clusters", self._database.cluster)
        body = scratch(self._system, self._backup, living, base, instant)
        self._custom("create", self._backup.drill_namespace, "clusters", body=body)

    def restored(self) -> tuple[bool, str]:
        status = self._custom("get", self._backup.drill_namespace, "clusters", self._name).get("status", {})
        ready = any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions", []))
        return ready, str(status.get("phase") or "the operator has not begun")

    def clear(self) -> Sequence[str]:
        namespace, began = self._backup.drill_namespace, self._clock.monotonic()
        try:
            self._custom("delete", namespace, "clusters", self._name)
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise
        while left := self._left():
            if self._clock.monotonic() - began > _CLEAR_SECONDS_MAX:
                raise StepFailed(
                    "scratch-not-removed",
                    what=f"the scratch database of {self._system} is not gone",
                    why=f"{', '.join(left)} in {namespace} are still there after {_CLEAR_SECONDS_MAX:.0f} s",
                    state="they hold a copy of the system's data",
                    next=f"kubectl -n {namespace} get cluster,pod,pvc   and the next drill removes them, too",
                )
            self._clock.sleep(_LOOK_SECONDS)
        return self._kept_volumes()

    def _left(self) -> list[str]:
        from kubernetes import client

        namespace, mine = self._backup.drill_namespace, f"cnpg.io/cluster={self._name}"
        left = [
            f"cluster {one['metadata']['name']}"
            for one in self._custom("list", namespace, "clusters")["items"]
            if one["metadata"]["name"] == self._name
        ]
        for kind in ("pod", "persistent_volume_claim"):

            def ask(api: Any, kind: str = kind) -> Any:
                method = getattr(client.CoreV1Api(api), f"list_namespaced_{kind}")
                return method(namespace, label_selector=mine, _request_timeout=_REQUEST_SECONDS)

            left += [f"{kind} {one.metadata.name}" for one in self._cluster.ask(ask, f"{kind}s of {namespace}").items]
        return left

    def _kept_volumes(self) -> list[str]:
        from kubernetes import client

        def ask(api: Any) -> Any:
            return client.CoreV1Api(api).list_persistent_volume(_request_timeout=_REQUEST_SECONDS)

        claims = [(one, one.spec.claim_ref) for one in self._cluster.ask(ask, "persistent volumes").items]
        namespace = self._backup.drill_namespace
        return [v.metadata.name for v, c in claims if c and c.namespace == namespace and c.name.startswith(self._name)]

    def _custom(
        self, verb: str, namespace: str, plural: str, name: str | None = None, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        from kubernetes import client

        def ask(api: Any) -> Any:
            method = getattr(client.CustomObjectsApi(api), f"{verb}_namespaced_custom_object")
            more: dict[str, Any] = {"name": name} if name else {}
            if body is not None:
                kind = {"clusters": "Cluster", "backups": "Backup"}[plural]
                more["body"] = {"apiVersion": "/".join(_GROUP), "kind": kind, **body}
                more["field_manager"] = "dcshift-drill"
            if verb == "delete":
                more["propagation_policy"] = "Foreground"
            return method(*_GROUP, namespace, plural, _request_timeout=_REQUEST_SECONDS, **more)

        found: dict[str, Any] = self._cluster.ask(ask, f"{plural} {namespace}/{name or ''}".rstrip("/"))
        return found


def scratch(
    system: str, backup: TargetBackup, living: Mapping[str, Any], base: Base, instant: Instant
) -> dict[str, Any]:
    """Return the scratch cluster: the living one's image, size, parameters and doors, one instance, no keys to back up.

    The target is exclusive: what was written at or after the instant is not replayed.
    """
    spec, place = living["spec"], living["spec"]["backup"]["barmanObjectStore"]
    keys = {
        field: {"name": backup.restore_secret.name, "key": key}
        for field, key in (("accessKeyId", "access_key"), ("secretAccessKey", "secret_key"))
    }
    server = spec.get("postgresql", {})
    copied = {name: spec[name] for name in ("imageName", "imagePullPolicy", "storage", "resources") if name in spec}
    # The same rows lie here: they stand where those of the living one do, if it keeps to nodes of its own.
    affinity = spec.get("affinity") or {}
    nodes = {name: affinity[name] for name in ("nodeSelector", "tolerations") if name in affinity}
    return {
        "metadata": {"name": scratch_name(system), "namespace": backup.drill_namespace, "labels": LABELS},
        "spec": {
            **copied,
            **({"affinity": nodes} if nodes else {}),
            "instances": 1,
            "enableSuperuserAccess": False,
            "enablePDB": False,
            # Its doors too: the same rows lie here, and whoever comes unencrypted is to be refused as there.
            "postgresql": {name: server[name] for name in ("parameters", "pg_hba") if name in server},
            "bootstrap": {
                "recovery": {
                    "source": _ORIGIN,
                    "recoveryTarget": {"backupID": base.id, "targetLSN": instant.lsn, "exclusive": True},
                }
            },
            "externalClusters": [
                {
                    "name": _ORIGIN,
                    "barmanObjectStore": {
                        **{name: place[name] for name in ("destinationPath", "endpointURL", "wal", "data")},
                        "serverName": living["metadata"]["name"],
                        "s3Credentials": keys,
                    },
                }
            ],
        },
    }


def _base(backup: Mapping[str, Any]) -> Base:
    status = backup["status"]
    ended = datetime.datetime.fromisoformat(status["stoppedAt"]).timestamp()
    return Base(backup["metadata"]["name"], status["backupId"], ended)
