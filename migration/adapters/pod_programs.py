"""Runs a program inside a pod that runs already, as `kubectl exec` does; no secret may stand in its words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

from migration.adapters.command import Completed
from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed

_NOT_ENDED: Final = "it was left behind, and what it does is unknown until it is read again"


class PodPrograms(Protocol):
    """Programs inside the pods of one cluster."""

    def run(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Completed: ...


class ExecutedInPods:
    """`PodPrograms` over the API server's exec."""

    def __init__(self, cluster: KubernetesCluster) -> None:
        self._cluster = cluster

    def run(
        self, namespace: str, pod: str, container: str, argv: Sequence[str], *, timeout_seconds: float
    ) -> Completed:
        """Run it to its end. Raises `StepFailed` when it cannot be started or exceeds its time."""
        from kubernetes import client
        from kubernetes.stream import stream
        from websocket import WebSocketException

        what = f"{argv[0]} in Pod {namespace}/{pod}"

        def ask(api: Any) -> Completed:
            session = stream(
                client.CoreV1Api(api).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                container=container,
                command=list(argv),
                stdin=False,
                stdout=True,
                stderr=True,
                tty=False,
                _preload_content=False,
            )
            try:
                session.run_forever(timeout=timeout_seconds)
                if session.is_open():
                    raise _broken(what, f"it did not end in {timeout_seconds:.0f} s")
                return Completed(session.returncode, session.read_stdout(timeout=1), session.read_stderr(timeout=1))
            finally:
                session.close()

        try:
            return self._cluster.ask(ask, what)
        except (WebSocketException, ValueError, TypeError) as broken:
            # The client reads the exit status out of a last message, which a connection that broke off lacks.
            raise _broken(what, f"{type(broken).__name__}: {broken}") from broken


def _broken(what: str, why: str) -> StepFailed:
    return StepFailed(
        "pod-program-broken",
        what=f"{what} was not followed to its end",
        why=why,
        state=_NOT_ENDED,
        next="look at the pod and the API server, then type the same command again",
    )
