"""The one program that sends the centre's security log out: its queues on a volume, the monitoring centre behind it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import pulumi

from catalogue.province import SecurityLog
from infra import naming, rsyslog, sizes, workload
from infra.components import log_programs
from infra.components.network_policies import LOG_PORT
from infra.rights import kinds
from infra.rsyslog import Connector, Queue

_LINE_BYTES: Final = 2048
"""Mean of a line as a queue keeps it: an event of the audit log is about 1 KiB, and its bodies make some longer."""
_CONNECTOR: Final = f"`echo ${naming.LOG_NATIONAL.upper().replace('-', '_')}_SERVICE_HOST`"
"""The kubelet's own word for where a Service of the same namespace is: the relay asks no DNS."""


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

    The allow-list for the nation is applied here: what goes to the connector has six fields.
    """

    name: pulumi.Output[str]

    def __init__(self, name: str, args: LogRelayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:security:LogRelay", name, None, opts)
        told = Connector(_CONNECTOR, LOG_PORT) if args.log.national else None
        text = rsyslog.relay(LOG_PORT, args.log.soc, told, queue(args.log))
        tables = rsyslog.tables({kind.resource for kind in kinds.TOLD}, args.namespaces) if told else {}
        files = log_programs.files(text, tables)
        declared = log_programs.declare(naming.LOG_RELAY, naming.SECURITY_LOG, files, self)
        storage = {
            "storageClassName": args.storage_class,
            "resources": {"requests": {"storage": f"{volume_gibibytes(args.log)}Gi"}},
        }
        self.name = log_programs.standing(naming.LOG_RELAY, _pod(args), storage, declared, self)
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
    mounts: list[dict[str, Any]] = [
        {"name": "soc", "mountPath": here.soc, "readOnly": True},
        {"name": "work", "mountPath": here.work},
    ]
    outputs = ["soc", *(["national"] if args.log.national else [])]
    container = log_programs.container(naming.LOG_RELAY, args.image, outputs, sizes.LOG_RELAY, mounts)
    container["ports"] = [{"name": "relp", "containerPort": LOG_PORT}]
    return workload.pod(
        naming.LOG_RELAY,
        [container],
        volumes=[*log_programs.volumes(naming.LOG_RELAY), log_programs.secret("soc", naming.SOC_TLS)],
        enableServiceLinks=bool(args.log.national),
        # It ends its writing to the queues' files before it goes.
        terminationGracePeriodSeconds=60,
    )
