"""Port `Cluster` over the Kubernetes API; it touches only what the migration owns, and waits for nothing."""

from __future__ import annotations

import base64
import datetime
import json
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from migration.errors import MigrationError, StepFailed
from migration.model.words import Json
from migration.ports import CronJobState, SetState

_CONTRACT: Final = "dcshift-contract"
_CONTRACT_KEY: Final = "contract.json"
_REQUEST_SECONDS: Final = 10
_FIELD_MANAGER: Final = "dcshift-migrator"
"""The cluster's own record of who set which field: whoever asks later is told that the migration did."""
_OWNER: Final = {"app.kubernetes.io/managed-by": "dcshift"}
_T = TypeVar("_T")


class KubernetesCluster:
    """One cluster, as a kubeconfig file names it."""

    def __init__(self, kubeconfig: Path) -> None:
        self._kubeconfig = kubeconfig
        self._client: Any = None

    def read_contract(self, namespace: str) -> Json:
        """Return the contract document that the system's stack left in this namespace."""
        found = self._call(
            lambda core, _apps, _batch: core.read_namespaced_config_map(
                _CONTRACT, namespace, _request_timeout=_REQUEST_SECONDS
            ),
            f"ConfigMap {namespace}/{_CONTRACT}",
        )
        try:
            document: Json = json.loads((found.data or {})[_CONTRACT_KEY])
        except (KeyError, ValueError, RecursionError) as bad:
            raise StepFailed(
                "contract-unreadable",
                what=f"ConfigMap {namespace}/{_CONTRACT} holds no contract",
                why=f"its key {_CONTRACT_KEY} is {type(bad).__name__}: {bad}",
                state="nothing was changed",
                next="apply the system's stack again with pulumi up",
            ) from bad
        return document

    def read_secret(self, namespace: str, name: str) -> Mapping[str, str]:
        found = self._call(
            lambda core, _apps, _batch: core.read_namespaced_secret(name, namespace, _request_timeout=_REQUEST_SECONDS),
            f"Secret {namespace}/{name}",
        )
        return {key: base64.b64decode(value).decode() for key, value in (found.data or {}).items()}

    def write_secret(self, namespace: str, name: str, values: Mapping[str, str]) -> None:
        """Create or replace a Secret, and read it again."""
        body = {
            "metadata": {"name": name, "namespace": namespace, "labels": dict(_OWNER)},
            "type": "Opaque",
            "stringData": dict(values),
        }
        what = f"Secret {namespace}/{name}"
        try:
            self._call(
                lambda core, _apps, _batch: core.create_namespaced_secret(
                    namespace, body, field_manager=_FIELD_MANAGER, _request_timeout=_REQUEST_SECONDS
                ),
                what,
            )
        except StepFailed as refused:
            if refused.code != "target-object-exists":
                raise
            self._call(
                lambda core, _apps, _batch: core.replace_namespaced_secret(
                    name, namespace, body, field_manager=_FIELD_MANAGER, _request_timeout=_REQUEST_SECONDS
                ),
                what,
            )
        if self.read_secret(namespace, name) != dict(values):
            raise StepFailed(
                "target-object-differs",
                what=f"{what} was written, but another value was read back",
                why="something else writes it too",
                state="the Secret holds the other value",
                next=f"see who writes it: kubectl -n {namespace} get secret {name} -o yaml --show-managed-fields",
            )

    def delete_secret(self, namespace: str, name: str) -> None:
        """Delete a Secret; one that is not there is deleted already."""
        try:
            self._call(
                lambda core, _apps, _batch: core.delete_namespaced_secret(
                    name, namespace, _request_timeout=_REQUEST_SECONDS
                ),
                f"Secret {namespace}/{name}",
            )
        except StepFailed as refused:
            if refused.code != "target-object-missing":
                raise

    def service_address(self, namespace: str, name: str) -> tuple[str, int]:
        """Return an address and port at which the job host reaches a service.

        A load balancer's address is preferred, though the quota of our own stacks allows none; the cluster address
        serves when the job host is a node or is routed to the service network. Raises `StepFailed`
        (target-service-unreachable) when neither accepts a connection.
        """
        found = self._call(
            lambda core, _apps, _batch: core.read_namespaced_service(
                name, namespace, _request_timeout=_REQUEST_SECONDS
            ),
            f"Service {namespace}/{name}",
        )
        ingress = ((found.status.load_balancer or None) and found.status.load_balancer.ingress) or []
        addresses = [entry.ip or entry.hostname for entry in ingress] + [found.spec.cluster_ip]
        port = int(found.spec.ports[0].port)
        tried = []
        for address in filter(None, addresses):
            try:
                with socket.create_connection((address, port), timeout=3):
                    return str(address), port
            except OSError as refused:
                tried.append(f"{address}:{port} {refused}")
        raise StepFailed(
            "target-service-unreachable",
            what=f"this machine cannot reach Service {namespace}/{name}",
            why="; ".join(tried) or "it has no address",
            state="nothing was changed",
            next="run dcshift on a node; or route the cluster's service addresses to this machine, name its address in "
            "job_hosts of province.yaml, and pulumi up --stack platform",
        )

    def deployment_ready(self, namespace: str, name: str) -> tuple[int, int]:
        found = self._call(
            lambda _core, apps, _batch: apps.read_namespaced_deployment(
                name, namespace, _request_timeout=_REQUEST_SECONDS
            ),
            f"Deployment {namespace}/{name}",
        )
        status, wanted = found.status, int(found.spec.replicas or 0)
        if (status.observed_generation or 0) < found.metadata.generation:
            return 0, wanted  # the controller has not seen this generation yet: its counts speak of an earlier one
        return min(int(status.ready_replicas or 0), int(status.updated_replicas or 0)), wanted

    def stateful_set(self, namespace: str, name: str) -> SetState:
        found = self._call(
            lambda _core, apps, _batch: apps.read_namespaced_stateful_set(
                name, namespace, _request_timeout=_REQUEST_SECONDS
            ),
            f"StatefulSet {namespace}/{name}",
        )
        status, wanted = found.status, int(found.spec.replicas or 0)
        pods, ready = int(status.replicas or 0), int(status.ready_replicas or 0)
        if (status.observed_generation or 0) < found.metadata.generation:
            # Its counts speak of an earlier one: neither "all are ready" nor "none is left" may be read from them.
            return SetState(wanted, 0, max(pods, 1))
        return SetState(wanted, min(ready, int(status.updated_replicas or 0)), pods)

    def scale_stateful_set(self, namespace: str, name: str, wanted: int) -> None:
        """Ask for so many pods, and read back that they are asked for."""
        self._call(
            lambda _core, apps, _batch: apps.patch_namespaced_stateful_set_scale(
                name,
                namespace,
                {"spec": {"replicas": wanted}},
                field_manager=_FIELD_MANAGER,
                _request_timeout=_REQUEST_SECONDS,
            ),
            f"StatefulSet {namespace}/{name}",
        )
        if (kept := self.stateful_set(namespace, name).wanted) != wanted:
            raise self._differs("StatefulSet", namespace, name, f"replicas={wanted}", f"it asks for {kept} pods")

    def cronjob(self, namespace: str, name: str) -> CronJobState:
        found = self._cronjob(namespace, name)
        spec, last = found.spec, found.status and found.status.last_schedule_time
        return CronJobState(
            schedule=str(spec.schedule),
            time_zone=str(spec.time_zone or "UTC"),
            suspended=bool(spec.suspend),
            starting_deadline_seconds=spec.starting_deadline_seconds,
            last_slot=last.timestamp() if last else None,
        )

    def set_cronjob_last_slot(self, namespace: str, name: str, moment: float) -> None:
        """Write `status.lastScheduleTime`, from which the controller counts missed slots, and read it again."""
        written = datetime.datetime.fromtimestamp(int(moment), datetime.UTC)
        body = {"status": {"lastScheduleTime": written.strftime("%Y-%m-%dT%H:%M:%SZ")}}
        self._call(
            lambda _core, _apps, batch: batch.patch_namespaced_cron_job_status(
                name, namespace, body, _request_timeout=_REQUEST_SECONDS
            ),
            f"CronJob {namespace}/{name}",
        )
        if self.cronjob(namespace, name).last_slot != written.timestamp():
            wanted, state = f"lastScheduleTime={written:%FT%TZ}", "the job may run a slot twice"
            raise self._differs("CronJob", namespace, name, wanted, state)

    def set_cronjob_suspended(self, namespace: str, name: str, suspended: bool) -> None:
        """Suspend or arm a CronJob, and read it again."""
        self._call(
            lambda _core, _apps, batch: batch.patch_namespaced_cron_job(
                name,
                namespace,
                {"spec": {"suspend": suspended}},
                field_manager=_FIELD_MANAGER,
                _request_timeout=_REQUEST_SECONDS,
            ),
            f"CronJob {namespace}/{name}",
        )
        if self.cronjob(namespace, name).suspended is not suspended:
            state = "the job is armed" if suspended else "the job is suspended"
            raise self._differs("CronJob", namespace, name, f"suspend={suspended}", state)

    def _differs(self, kind: str, namespace: str, name: str, wanted: str, state: str) -> StepFailed:
        return StepFailed(
            "target-object-differs",
            what=f"{kind} {namespace}/{name} did not keep {wanted}",
            why="something else writes it too",
            state=state,
            next=f"see who writes it: kubectl -n {namespace} get {kind.lower()} {name} -o yaml --show-managed-fields",
        )

    def cronjob_active_runs(self, namespace: str, name: str) -> int:
        return len(self._cronjob(namespace, name).status.active or [])

    def _cronjob(self, namespace: str, name: str) -> Any:
        return self._call(
            lambda _core, _apps, batch: batch.read_namespaced_cron_job(
                name, namespace, _request_timeout=_REQUEST_SECONDS
            ),
            f"CronJob {namespace}/{name}",
        )

    def _call(self, ask: Callable[[Any, Any, Any], _T], what: str) -> _T:
        from kubernetes import client

        return self.ask(lambda api: ask(client.CoreV1Api(api), client.AppsV1Api(api), client.BatchV1Api(api)), what)

    def ask(self, ask: Callable[[Any], _T], what: str) -> _T:
        """Ask the API server by its client; whatever goes wrong is a `StepFailed` that names `what`."""
        # Imported here: the client takes a second, and most commands never speak to a cluster.
        from kubernetes import client
        from urllib3.exceptions import HTTPError

        try:
            return ask(self._api())
        except client.ApiException as refused:
            raise _refusal(refused, what) from refused
        except (HTTPError, OSError) as broken:
            raise StepFailed(
                "target-unreachable",
                what="the target's Kubernetes API does not answer",
                why=str(broken)[:400],
                state=f"{what} was neither read nor changed, as far as can be known from here",
                next=f"kubectl --kubeconfig {self._kubeconfig} get --raw /readyz",
            ) from broken

    def _api(self) -> Any:
        from kubernetes import config

        if self._client is None:
            try:
                self._client = config.new_client_from_config(config_file=str(self._kubeconfig))
            except Exception as bad:
                # The client has no error of its own for a file that is no YAML, or YAML of another shape.
                raise StepFailed(
                    "kubeconfig-unusable",
                    what=f"{self._kubeconfig} cannot be used",
                    why=" ".join(f"{type(bad).__name__}: {bad}".split())[:400],
                    state="nothing was changed",
                    next="set KUBECONFIG to the target's kubeconfig file   (in the lab: dcshift lab up)",
                ) from bad
        return self._client


def _refusal(refused: Any, what: str) -> MigrationError:
    code, why = {
        404: ("target-object-missing", "it does not exist"),
        409: ("target-object-exists", "it exists already, or was changed meanwhile"),
        401: ("target-refuses-us", "the credentials are not accepted"),
        403: ("target-refuses-us", "the role does not allow it"),
    }.get(refused.status, ("target-api-failed", f"HTTP {refused.status}"))
    try:
        message = json.loads(refused.body)["message"]
    except (TypeError, ValueError, KeyError):
        message = str(refused.reason)
    return StepFailed(
        code,
        what=f"{what} could not be read or changed",
        why=f"{why}: {message}",
        state="it is as it was",
        next="apply the target's stacks with pulumi up, or look at the role of this kubeconfig",
    )
