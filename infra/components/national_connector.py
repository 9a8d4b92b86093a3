"""The connector to the nation's monitoring: the only pod that reaches it, and that reaches nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pulumi

from catalogue.province import LogEndpoint
from infra import naming, rsyslog, sizes, workload
from infra.components import log_programs
from infra.components.network_policies import LOG_PORT


@dataclass(frozen=True, slots=True)
class NationalConnectorArgs:
    """What runs, and who receives."""

    image: str
    """The image of rsyslog."""
    national: LogEndpoint
    """The declared receiver; a network policy lets the connector reach it and nobody else."""
    storage_class: str
    """Where the lines lie that were sent last, to be sent again after a kill."""


class NationalConnector(pulumi.ComponentResource):
    """Sends the six fields of each event that the relay lets out; it never holds the log, nor the relay its key."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: NationalConnectorArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:security:NationalConnector", name, None, opts)
        files = log_programs.files(rsyslog.connector(LOG_PORT, args.national))
        declared = log_programs.declare(naming.LOG_NATIONAL, naming.SECURITY_LOG, files, self)
        storage = {"storageClassName": args.storage_class, "resources": {"requests": {"storage": "1Gi"}}}
        self.name = log_programs.standing(naming.LOG_NATIONAL, _pod(args), storage, declared, self)
        self.register_outputs({"name": self.name})


def _pod(args: NationalConnectorArgs) -> dict[str, Any]:
    here = rsyslog.Folders()
    mounts: list[dict[str, Any]] = [
        {"name": "national", "mountPath": here.national, "readOnly": True},
        {"name": "work", "mountPath": here.work},
    ]
    container = log_programs.container(naming.LOG_NATIONAL, args.image, ["national"], sizes.LOG_NATIONAL, mounts)
    container["ports"] = [{"name": "relp", "containerPort": LOG_PORT}]
    given = log_programs.secret("national", naming.NATIONAL_TLS)
    return workload.pod(
        naming.LOG_NATIONAL,
        [container],
        volumes=[*log_programs.volumes(naming.LOG_NATIONAL, naming.LOG_NATIONAL_TLS), given],
        terminationGracePeriodSeconds=60,
    )
