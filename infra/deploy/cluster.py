"""What a deployment reads back from the cluster with its own account: pods of its namespace, and the contract."""

from __future__ import annotations

import datetime
import json
from typing import Final

from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

from infra import cluster_api, naming
from infra.errors import InfraError

# Those that time does not heal: a pod in one of them waits for somebody to change something.
_HOPELESS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError", "CrashLoopBackOff"}
)
_SECONDS_MAX: Final = 10


def pods_that_cannot_start(namespace: str, since: datetime.datetime) -> str | None:
    """Return which container of the pods made since then cannot start, and why; None while all can, or nobody answers.

    An older pod may be stuck for reasons of its own and judges no deployment.
    """
    try:
        pods = cluster_api.core().list_namespaced_pod(namespace, _request_timeout=_SECONDS_MAX).items
    except (ApiException, HTTPError):
        return None  # not knowing is no reason to give up: the engine has a limit of its own
    for pod in pods:
        if pod.metadata.deletion_timestamp or pod.metadata.creation_timestamp < since:
            continue
        status = pod.status
        for container in [*(status.init_container_statuses or []), *(status.container_statuses or [])]:
            waiting = container.state.waiting if container.state else None
            if waiting and waiting.reason in _HOPELESS:
                return f"pod {pod.metadata.name}: {waiting.reason} of {container.image}"
    return None


def live_release(namespace: str) -> str:
    """Return the release that the contract in the cluster names. Raises `InfraError` when it cannot be read."""
    try:
        found = cluster_api.core().read_namespaced_config_map(naming.CONTRACT, namespace, _request_timeout=_SECONDS_MAX)
        return str(json.loads(found.data["contract.json"])["web"]["release"])
    except (ApiException, HTTPError, KeyError, TypeError, ValueError) as broken:
        raise InfraError(
            "contract-unreadable",
            what=f"the contract in {namespace} could not be read back",
            why=str(broken),
            state="what was deployed is not shown to be published",
            next=f"kubectl get configmap {naming.CONTRACT} -n {namespace}",
        ) from broken
