"""A pool of connections in front of one system's PostgreSQL: CloudNativePG's own Pooler, which runs pgbouncer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal

import pulumi
import pulumi_kubernetes as k8s

from catalogue.controls import Controls
from infra import labels, naming, spreading
from infra.components.metrics_service import metrics_service
from infra.monitoring.targets import POOLER_PORT
from infra.sizes import Size

# Its phase says that its image is known, not that a pod of it runs: who needs the pool waits for its port.
_CARE: Final = {
    "pulumi.com/waitFor": "jsonpath={.status.phase}=active",
    "pulumi.com/timeoutSeconds": "300",
    # The operator makes the deployment of a pool that is about to go again and again: what waits for it waits for ever.
    "pulumi.com/deletionPropagationPolicy": "background",
}


@dataclass(frozen=True, slots=True)
class ConnectionPoolArgs:
    """Whose connections are pooled, how, and by how many pods."""

    system: str
    """Id of the system whose database stands behind the pool."""
    labels: dict[str, str]
    """Labels of every object that it declares."""
    image: str
    """The image of pgbouncer, by tag or digest; it has a user `pgbouncer` and the program at /usr/bin/pgbouncer."""
    mode: Literal["session", "transaction"]
    """For how long a client has one of the pool's connections."""
    instances: int
    """How many pods share the clients."""
    connections_max: int
    """How many connections to the database each pod has at most."""
    clients_max: int
    """How many clients each pod takes; those beyond its connections wait."""
    size: Size
    """CPU and memory that each pod requests and may use."""
    asked: Controls | None = None
    """What the system's level asks: where pods stand. None where there is one machine."""
    pool: str | None = None
    """The pool of nodes that they stand in; none where they share nodes with others."""
    protected: bool = True
    """Refuse to delete it, although it holds nothing: a refused `destroy` takes first what is not protected."""


class ConnectionPool(pulumi.ComponentResource):
    """Pods of pgbouncer behind one Service, a budget for maintenance, metrics; it makes no login and knows none."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: ConnectionPoolArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:data:ConnectionPool", name, None, opts)
        child = pulumi.ResourceOptions(parent=self, protect=args.protected)
        pods = labels.of_pool(naming.pooler(args.system))
        pooler = k8s.apiextensions.CustomResource(
            naming.logical(args.system, "pooler", "db"),
            api_version="postgresql.cnpg.io/v1",
            kind="Pooler",
            metadata={**_metadata(args, naming.pooler(args.system)), "annotations": _CARE},
            spec=_pooler(args, pods),
            opts=child,
        )
        k8s.policy.v1.PodDisruptionBudget(
            naming.logical(args.system, "disruption", "db-pooler"),
            metadata=_metadata(args, naming.pooler(args.system)),
            spec={"maxUnavailable": 1, "selector": {"matchLabels": pods}},
            opts=child,
        )
        metrics_service(
            naming.logical(args.system, "service", "db-pooler-metrics"),
            _metadata(args, naming.pooler_metrics(args.system)),
            pods,
            POOLER_PORT,
            child,
        )
        self.name = pooler.metadata["name"]
        self.register_outputs({"name": self.name})


def _metadata(args: ConnectionPoolArgs, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": naming.data_namespace(args.system), "labels": args.labels}


def _pooler(args: ConnectionPoolArgs, pods: dict[str, str]) -> dict[str, Any]:
    bounded = {"resources": args.size.resources()}
    return {
        "cluster": {"name": naming.cluster(args.system)},
        "type": "rw",
        "instances": args.instances,
        "deploymentStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
        "pgbouncer": {
            "image": args.image,
            "poolMode": args.mode,
            "parameters": {
                "default_pool_size": str(args.connections_max),
                "max_client_conn": str(args.clients_max),
                # The operator's default lets a client come unencrypted.
                "client_tls_sslmode": "require",
                # After one refused login nobody gets a new connection for this long; the default of 15 s would be added
                # to every absence of the database, and is longer than a whole cut may hold requests.
                "server_login_retry": "1",
                # To the database every session comes from the pool: only so does it say whose it is.
                "application_name_add_host": "1",
                # An application that closes its connection after each request would fill the log of the centre.
                "log_connections": "0",
                "log_disconnections": "0",
            },
        },
        "template": {
            # The operator puts image, command and pod security into these two by their names.
            "spec": {
                "containers": [{"name": "pgbouncer", **bounded}],
                "initContainers": [{"name": "bootstrap-controller", **bounded}],
                "topologySpreadConstraints": spreading.pods(args.asked, pods),
                **spreading.on(args.pool),
            },
        },
    }
