"""Port `SeededCluster` over the Kubernetes API; of the cluster's object it writes nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from catalogue import seeding
from migration.adapters.image_facts import asked_of
from migration.adapters.kubernetes import KubernetesCluster
from migration.adapters.pod_programs import PodPrograms
from migration.errors import StepFailed
from migration.model.words import Json
from migration.movers.seed_job import ClusterPlace
from migration.ports.seeding import ClusterState, ImageFacts

_GROUP: Final = ("postgresql.cnpg.io", "v1")
_REQUEST_SECONDS: Final = 10
_QUERY_SECONDS_MAX: Final = 4 * 3600.0
_CONTAINER: Final = "postgres"
_LOG_LINES: Final = 20
_LOG_CHARACTERS: Final = 400
_OPTIONS: Final = ("-XAtq", "-v", "ON_ERROR_STOP=1")


class CnpgCluster:
    """One CloudNativePG cluster of one Kubernetes cluster."""

    def __init__(self, place: ClusterPlace, cluster: KubernetesCluster, programs: PodPrograms) -> None:
        self._place, self._cluster, self._programs = place, cluster, programs

    @property
    def name(self) -> str:
        return f"{self._place.namespace}/{self._place.name}"

    def image(self, image: str) -> ImageFacts:
        return asked_of(self._cluster, self._place.namespace, f"{self._place.name}-asked", image)

    def state(self) -> ClusterState | None:
        try:
            found = self._object()
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise
            return None
        status = found.get("status") or {}
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or [])
        words = (status.get("phase"), status.get("phaseReason"))
        phase = ": ".join(word for word in words if word) or "nothing yet"
        return ClusterState(found["spec"], ready, phase, str(status.get("systemID") or ""))

    def failed_pods(self) -> list[str]:
        from kubernetes import client

        namespace, mine = self._place.namespace, f"cnpg.io/cluster={self._place.name}"

        def ask(api: Any) -> list[str]:
            core = client.CoreV1Api(api)
            pods = core.list_namespaced_pod(namespace, label_selector=mine, _request_timeout=_REQUEST_SECONDS).items
            said = []
            for pod in (each for each in pods if each.status.phase == "Failed"):
                log = core.read_namespaced_pod_log(
                    pod.metadata.name, namespace, tail_lines=_LOG_LINES, _request_timeout=_REQUEST_SECONDS
                )
                said.append(f"pod {pod.metadata.name} failed: …{log.strip()[-_LOG_CHARACTERS:]}")
            return said

        return self._cluster.ask(ask, f"pods of {self.name}")

    def rows(self, database: str, query: str) -> list[Mapping[str, Json]]:
        answer = self._psql(database, f"SELECT coalesce(json_agg(to_json(q)), '[]') FROM ({query}) q")
        try:
            found: list[Mapping[str, Json]] = json.loads(answer)
        except ValueError:
            found = None  # type: ignore[assignment]
        if not isinstance(found, list):
            raise StepFailed(
                "program-not-believed",
                what=f"{database} of {self.name} was not read",
                why=f"psql ended well and answered {answer.strip()[:200]!r} where rows are due",
                state="nothing was changed by this question",
                next="look which psql the image has, then type the same command again",
            )
        return found

    def run(self, database: str, *statements: str) -> None:
        self._psql(database, *statements)

    def password(self) -> str | None:
        try:
            return self._cluster.read_secret(self._place.namespace, self._place.secret).get(seeding.PASSWORD_KEY)
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise
            return None

    def let_in(self, password: str, authority: str) -> None:
        values = {seeding.PASSWORD_KEY: password, seeding.AUTHORITY_KEY: authority}
        self._cluster.write_secret(self._place.namespace, self._place.secret, values)

    def shut_out(self) -> None:
        self._cluster.delete_secret(self._place.namespace, self._place.secret)

    def _object(self) -> dict[str, Any]:
        from kubernetes import client

        def ask(api: Any) -> Any:
            return client.CustomObjectsApi(api).get_namespaced_custom_object(
                *_GROUP, self._place.namespace, "clusters", self._place.name, _request_timeout=_REQUEST_SECONDS
            )

        found: dict[str, Any] = self._cluster.ask(ask, f"Cluster {self.name}")
        return found

    def _psql(self, database: str, *statements: str) -> str:
        """Run statements on the primary by its own socket, where the kernel says that it is its superuser's program."""
        primary = str((self._object().get("status") or {}).get("currentPrimary") or "")
        if not primary:
            raise self._refused("no instance of it is primary")
        words = ["psql", *_OPTIONS, "-d", database, *(word for each in statements for word in ("-c", each))]
        ended = self._programs.run(
            self._place.namespace, primary, _CONTAINER, words, timeout_seconds=_QUERY_SECONDS_MAX
        )
        if ended.returncode != 0:
            raise self._refused(ended.stderr.strip()[-500:] or f"psql ended with {ended.returncode}")
        return ended.stdout

    def _refused(self, why: str) -> StepFailed:
        return StepFailed(
            "seed-cluster-refuses",
            what=f"{self.name} did not answer",
            why=why,
            state="nothing else was changed; the source serves",
            next=f"look at the pods of {self.name}, then type the same command again",
        )
