"""The one program that sends the centre's security log out: its queues on a volume, its declared receivers."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue.province import SecurityLog
from infra import naming, rsyslog, sizes, workload
from infra.components import log_programs
from infra.components.network_policies import LOG_RELAY_PORT
from infra.rights import kinds
from infra.rsyslog import Queue

_LINE_BYTES: Final = 2048
"""Mean of a line as a queue keeps it: an event of the audit log is about 1 KiB, and its bodies make some longer."""


@dataclass(frozen=True, slots=True)
class LogRelayArgs:
    """What runs, for which systems, and who receives."""

    image: str
    """The image of rsyslog."""
    log: SecurityLog
    """The declared receivers, and how much is kept while one is away."""
    namespaces: dict[str, str]
    """The system of each namespace: the nation is told systems, never namespaces."""
    storage_class: str
    """Where the queues lie."""


class LogRelay(pulumi.ComponentResource):
    """The relay of the security log. One pod: its queues are its own, and a second one would have others.

    Its volume is kept when the stack goes: in it may lie what nobody has received yet.
    """

    name: pulumi.Output[str]

    def __init__(self, name: str, args: LogRelayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:security:LogRelay", name, None, opts)
        text = rsyslog.relay(LOG_RELAY_PORT, args.log.soc, args.log.national, queue(args.log))
        tables = rsyslog.tables({kind.resource for kind in kinds.TOLD}, args.namespaces) if args.log.national else {}
        files = log_programs.files(text, tables)
        content, before = log_programs.declare(naming.LOG_RELAY, naming.SECURITY_LOG, files, self)
        labels = log_programs.labels_of(naming.LOG_RELAY)
        selector = {"app.kubernetes.io/name": naming.LOG_RELAY}
        metadata = {"name": naming.LOG_RELAY, "namespace": naming.SECURITY_LOG, "labels": labels}
        k8s.core.v1.Service(
            naming.logical("security", "service", naming.LOG_RELAY),
            metadata=metadata,
            spec={
                "type": "ClusterIP",
                "selector": selector,
                "ports": [{"name": "relp", "port": LOG_RELAY_PORT, "targetPort": LOG_RELAY_PORT, "protocol": "TCP"}],
            },
            opts=pulumi.ResourceOptions(parent=self),
        )
        relay = k8s.apps.v1.StatefulSet(
            naming.logical("security", "statefulset", naming.LOG_RELAY),
            metadata=metadata,
            spec={
                "replicas": 1,
                "serviceName": naming.LOG_RELAY,
                "selector": {"matchLabels": selector},
                "template": {
                    "metadata": {"labels": labels, "annotations": {"dcshift.gov.vn/config": content}},
                    "spec": _pod(args),
                },
                "volumeClaimTemplates": [
                    {
                        "metadata": {"name": "work"},
                        "spec": {
                            "accessModes": ["ReadWriteOnce"],
                            "storageClassName": args.storage_class,
                            "resources": {"requests": {"storage": f"{volume_gibibytes(args.log)}Gi"}},
                        },
                    }
                ],
            },
            # Not the Service: the official plugin waits there for the pods that would wait for it here.
            opts=pulumi.ResourceOptions(parent=self, depends_on=before),
        )
        self.name = relay.metadata["name"]
        self.register_outputs({"name": self.name})


def queue(log: SecurityLog) -> Queue:
    """Return the bounds of each queue: what comes in `buffer_hours` at the declared rate."""
    lines = log.events_per_second * log.buffer_hours * 3600
    return Queue(lines, math.ceil(lines * _LINE_BYTES / 2**20))


def volume_gibibytes(log: SecurityLog) -> int:
    """Return the size of the volume: a queue for each receiver, and a tenth more for what was sent last."""
    receivers = 2 if log.national else 1
    return math.ceil(queue(log).mebibytes * receivers * 1.1 / 1024) + 1


def _pod(args: LogRelayArgs) -> dict[str, Any]:
    here = rsyslog.Folders()
    ends = [("soc", here.soc, naming.SOC_TLS)]
    ends += [("national", here.national, naming.NATIONAL_TLS)] if args.log.national else []
    mounts: list[dict[str, Any]] = [{"name": name, "mountPath": path, "readOnly": True} for name, path, _ in ends]
    mounts.append({"name": "work", "mountPath": here.work})
    outputs = [name for name, _, _ in ends]
    container = log_programs.container(naming.LOG_RELAY, args.image, outputs, sizes.LOG_RELAY, mounts)
    container["ports"] = [{"name": "relp", "containerPort": LOG_RELAY_PORT}]
    volumes = [log_programs.secret(name, secret) for name, _, secret in ends]
    return workload.pod(
        naming.LOG_RELAY,
        [container],
        volumes=[*log_programs.volumes(naming.LOG_RELAY), *volumes],
        # It ends its writing to the queues' files before it goes.
        terminationGracePeriodSeconds=60,
    )
