"""Layer `security`: the centre's security log, from the nodes to the monitoring centre and to the nation."""

from __future__ import annotations

import pulumi

from infra import naming
from infra.components.log_agent import LogAgent, LogAgentArgs
from infra.components.log_relay import LogRelay, LogRelayArgs, queue
from infra.components.national_connector import NationalConnector, NationalConnectorArgs
from infra.config import Settings
from infra.errors import InfraError
from infra.stacks.cluster import provider


def build(settings: Settings) -> None:
    """Declare the layer. Raises `InfraError` where the province declares no monitoring centre."""
    province = settings.catalogue.province
    if (log := province.security_log) is None:
        raise InfraError(
            "no-monitoring-centre",
            what="the security log is not set up",
            why="province.yaml declares no security_log, so nobody would receive what is gathered",
            state="nothing was changed",
            next="write security_log.soc with name, address, port into province.yaml, then pulumi up --stack platform",
        )
    if log.national is None:
        pulumi.log.warn("province.yaml declares no security_log.national: nothing is sent to the nation's monitoring")
    opts = pulumi.ResourceOptions(providers=[provider(settings)])
    image = settings.pinned("rsyslog", settings.rsyslog_image)
    namespaces = {
        name(system.id): system.id
        for system in settings.catalogue.systems
        for name in (naming.app_namespace, naming.data_namespace)
    }
    kept_on, before = province.target.storage_class, opts
    if log.national:
        connector = NationalConnector("connector", NationalConnectorArgs(image, log.national, kept_on), opts)
        before = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[connector]))
    relay = LogRelay("relay", LogRelayArgs(image, log, namespaces, kept_on), before)
    after = pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(depends_on=[relay]))
    LogAgent("agent", LogAgentArgs(image, settings.node_folders), after)
    kept = queue(log)
    pulumi.export(
        "contract",
        {
            "soc": f"{log.soc.name} at {log.soc.address}:{log.soc.port}, {log.soc.protocol}",
            "national": log.national
            and f"{log.national.name} at {log.national.address}:{log.national.port}, {log.national.protocol}",
            "buffer": {"hours": log.buffer_hours, "lines": kept.lines, "mebibytes": kept.mebibytes},
            "secrets": [f"{naming.SECURITY_LOG}/{naming.SOC_TLS}"]
            + ([f"{naming.SECURITY_LOG}/{naming.NATIONAL_TLS}"] if log.national else []),
        },
    )
