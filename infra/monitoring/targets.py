"""Whom Prometheus asks and how many of each must answer; found by names in DNS, without any right; pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

from catalogue.system import System
from infra import naming
from infra.config import Settings

Document = dict[str, Any]
PLATFORM: Final = "platform"
"""Stands as `system` where a target belongs to none."""
DATABASE_PORT: Final = 9187
POOLER_PORT: Final = 9127
OPERATOR_PORT: Final = 8080
GATEWAY_PORT: Final = 9100
"""The port of metrics in traefik's own chart."""
CERTIFICATE_PORT: Final = 9402
"""The port of metrics in cert-manager's own chart."""
STATE_PORT: Final = 8080
"""The port of metrics in kube-state-metrics' own manifests."""
PROMETHEUS_PORT: Final = 9090
ALERTMANAGER_PORT: Final = 9093
_SAMPLES_MAX: Final = 20_000
"""Of one answer: a target that goes mad must not take the memory of all."""
_KEPT_OF_STATE: Final = (
    "kube_(job_failed|job_status_start_time|pod_container_status_restarts_total|statefulset_status_replicas_ready"
    "|daemonset_status_number_ready|daemonset_status_desired_number_scheduled);.*"
    # The births of what a drill leaves, and of databases' namespaces: of all others there may be thousands.
    f"|kube_configmap_created;{naming.DRILLS}|kube_namespace_created;{naming.data_namespace('.+')}"
)
"""Names of series, each with the namespace of which it speaks."""
_KEPT_OF_GATEWAY: Final = "traefik_(router_requests_total|router_request_duration_seconds_.*|config_.*)|process_.*"


@dataclass(frozen=True, slots=True)
class Target:
    """Programs of one kind that belong to one system, behind one name."""

    job: str
    system: str
    host: str
    port: int
    count: int = 1


def targets(settings: Settings) -> list[Target]:
    """Return everything that is asked."""
    return [
        *(
            Target(
                "postgres",
                system.id,
                naming.host(naming.database_metrics(system.id), naming.data_namespace(system.id)),
                DATABASE_PORT,
                settings.instances(system),
            )
            for system in settings.catalogue.systems
        ),
        *(
            Target(
                "pgbouncer",
                system.id,
                naming.host(naming.pooler_metrics(system.id), naming.data_namespace(system.id)),
                POOLER_PORT,
                settings.poolers(system),
            )
            for system in settings.catalogue.systems
            if system.database.pooler
        ),
        Target(
            "postgres-operator",
            PLATFORM,
            naming.host(naming.OPERATOR_METRICS, settings.operator_namespace),
            OPERATOR_PORT,
        ),
        # Behind one name stand the controllers of all zones: one that goes must be missed.
        Target(
            "gateway",
            PLATFORM,
            naming.host(naming.GATEWAY_METRICS, settings.edge_namespace),
            GATEWAY_PORT,
            len({settings.catalogue.province.target.zone(each).gateway_class for each in settings.exposures}),
        ),
        Target("prometheus", PLATFORM, "localhost", PROMETHEUS_PORT),
        Target("alertmanager", PLATFORM, naming.host(naming.ALERTMANAGER, naming.MONITORING), ALERTMANAGER_PORT),
        *_certificates(settings),
        *_cluster_state(settings),
    ]


def _certificates(settings: Settings) -> list[Target]:
    if not (made := settings.catalogue.province.target.certificates):
        return []
    host = naming.host(naming.CERTIFICATE_METRICS, made.namespace)
    return [Target("certificates", PLATFORM, host, CERTIFICATE_PORT)]


def _cluster_state(settings: Settings) -> list[Target]:
    """Return kube-state-metrics, where the site has one: it is asked what pods and jobs do, not the API server."""
    if not settings.state_metrics_namespace:
        return []
    host = naming.host(naming.STATE_METRICS, settings.state_metrics_namespace)
    return [Target("cluster-state", PLATFORM, host, STATE_PORT)]


def file(settings: Settings) -> Document:
    """Return prometheus.yml."""
    province, asked = settings.catalogue.province, targets(settings)
    alertmanager = next(each for each in asked if each.job == "alertmanager")
    return {
        "global": {
            "scrape_interval": "15s",
            "scrape_timeout": "10s",
            "evaluation_interval": "15s",
            "external_labels": {"province": province.id, "environment": province.environment},
        },
        "rule_files": ["/etc/prometheus/objectives.yml", "/etc/prometheus/alerts.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_address(alertmanager)]}]}]},
        "scrape_configs": [
            _job(job, [each for each in asked if each.job == job], settings)
            for job in dict.fromkeys(each.job for each in asked)
        ],
    }


def _job(job: str, asked: list[Target], settings: Settings) -> Document:
    found: Document = {"job_name": job, "sample_limit": _SAMPLES_MAX}
    if job in ("prometheus", "alertmanager"):
        found["static_configs"] = [{"targets": [_address(each)], "labels": {"system": each.system}} for each in asked]
        return found
    # Every address behind a name: each instance is asked itself, not whichever a balancer chooses.
    found["dns_sd_configs"] = [
        {"names": [each.host], "type": "A", "port": each.port, "refresh_interval": "15s"} for each in asked
    ]
    found["relabel_configs"] = [
        _label("system", each.system, "__meta_dns_name", re.escape(each.host)) for each in asked
    ]
    if job == "gateway":
        # What the gateway says of one of our routes is that system's; of itself, the platform's.
        found["metric_relabel_configs"] = [
            {"action": "keep", "source_labels": ["__name__"], "regex": _KEPT_OF_GATEWAY},
            *(_label("system", each.id, "router", _router(each, settings)) for each in settings.catalogue.systems),
        ]
    if job == "cluster-state":
        found["metric_relabel_configs"] = [
            {"action": "keep", "source_labels": ["__name__", "namespace"], "regex": _KEPT_OF_STATE},
            *(_label("system", each.id, "namespace", _namespaces(each)) for each in settings.catalogue.systems),
            *(_drilled(each) for each in settings.catalogue.systems),
            *(_program(namespace, kind) for namespace, kind in _LOG_PROGRAMS.items()),
        ]
    return found


_LOG_PROGRAMS: Final = {naming.SECURITY_LOG: "statefulset", naming.LOG_AGENTS: "daemonset"}


def _program(namespace: str, kind: str) -> Document:
    """Say of a set of the security log's which program it is, whatever its kind."""
    found = {"source_labels": ["namespace", kind], "regex": f"{namespace};(.+)"}
    return {**found, "target_label": "program", "replacement": "$1"}


def _drilled(system: System) -> Document:
    """Say of what a drill left which system's database it restored: all of it lies in one namespace."""
    expression = f"{naming.DRILLS};({naming.drill_equal(system.id)}|{naming.drill_failed(system.id)})"
    return {**_label("system", system.id, "", expression), "source_labels": ["namespace", "configmap"]}


def _namespaces(system: System) -> str:
    return "|".join((naming.app_namespace(system.id), naming.data_namespace(system.id)))


def _label(name: str, value: str, source: str, expression: str) -> Document:
    return {"source_labels": [source], "regex": expression, "target_label": name, "replacement": value}


def _router(system: System, settings: Settings) -> str:
    """Return what traefik (3.6: gateway/httproute.go) calls the routers of a system's route at its zone's Gateway."""
    route = f"{naming.app_namespace(system.id)}-{naming.web(system.id)}"
    return f"httproute-{route}-gw-{settings.edge_namespace}-{naming.edge(system.exposure)}-ep-.*@kubernetesgateway"


def _address(target: Target) -> str:
    return f"{target.host}:{target.port}"
