"""Which packets a system's pods may send and receive: nothing, and then exactly these openings; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from catalogue.province import SecurityLog
from catalogue.system import System
from infra import labels, naming
from infra.config import Settings
from infra.integrations import calling, endpoints, neighbours
from infra.monitoring import targets

Document = dict[str, Any]
_NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
_POSTGRES: Final = 5432
_INSTANCE_MANAGER: Final = 8000
_PROMETHEUS: Final = {labels.COMPONENT: naming.PROMETHEUS}
_ALERTMANAGER: Final = {labels.COMPONENT: naming.ALERTMANAGER}
LOG_PORT: Final = 2514


@dataclass(frozen=True, slots=True)
class Policy:
    """One NetworkPolicy of one of a system's namespaces."""

    tier: labels.Tier
    namespace: str
    name: str
    spec: Document


def policies(settings: Settings, system: System) -> list[Policy]:
    """Return every network policy of a system."""
    app, data = naming.app_namespace(system.id), naming.data_namespace(system.id)
    made = [Policy("app", app, name, spec) for name, spec in _app(settings, system).items()]
    return made + [Policy("data", data, name, spec) for name, spec in _data(settings, system).items()]


def _app(settings: Settings, system: System) -> dict[str, Document]:
    data, (host, port) = naming.data_namespace(system.id), settings.object_store
    instances, pool = labels.of_instances(naming.cluster(system.id)), labels.of_pool(naming.pooler(system.id))
    pooled = _egress(_components(calling(system)), [_namespace(data, pool)], [_tcp(_POSTGRES)])
    return {
        "deny-all": _DENY_ALL,
        "allow-dns": _DNS,
        "allow-gateway": _ingress(
            {"matchLabels": labels.selector(system, "web")},
            [_namespace(settings.edge_namespace)],
            [_tcp(system.web.port)],
        ),
        "allow-database": _egress(_components(_past_pool(system)), [_namespace(data, instances)], [_tcp(_POSTGRES)]),
        **({"allow-pooler": pooled} if system.database.pooler else {}),
        "allow-object-store": _egress(_components(_peers(system)), [_address(host)], [_tcp(port)]),
        **_integrations(settings, system),
    }


def _integrations(settings: Settings, system: System) -> dict[str, Document]:
    """Return the ways to and from each neighbour's web process, and to each named service of the nation."""
    found, web = {}, {"matchLabels": labels.selector(system, "web")}
    for other in neighbours(settings, system):
        there = {**_namespace(naming.app_namespace(other.id)), "podSelector": _components(("web",))}
        found[f"allow-to-{other.id}"] = _egress(_components(calling(system)), [there], [_tcp(other.web.port)])
        found[f"allow-from-{other.id}"] = _ingress(web, [_of_app(other, calling(other))], [_tcp(system.web.port)])
    for each in endpoints(settings, system):
        if each.addresses:  # an empty list of peers would mean everyone
            peers = [_address(address) for address in each.addresses]
            found[f"allow-to-nation-{each.id}"] = _egress(_components(calling(system)), peers, [_tcp(each.port)])
    return found


def _data(settings: Settings, system: System) -> dict[str, Document]:
    serving = {"matchLabels": labels.of_instances(naming.cluster(system.id))}
    # Also pods that make or join an instance, which have no role; not those of a pool, which name the cluster as well.
    instances = {
        "matchLabels": {"cnpg.io/cluster": naming.cluster(system.id)},
        "matchExpressions": [{"key": "cnpg.io/podRole", "operator": "NotIn", "values": ["pooler"]}],
    }
    api_host, _, api_port = settings.api_server.rpartition(":")
    source = {"ipBlock": {"cidr": settings.catalogue.province.source.cidr}}
    both = [_tcp(_INSTANCE_MANAGER), _tcp(_POSTGRES)]
    job_hosts = [{"ipBlock": {"cidr": cidr}} for cidr in settings.catalogue.province.job_hosts]
    # The movers copy and compare over a connection of their own. A job host that is a node needs no opening: what
    # comes from a pod's own node passes. Without job hosts there must be no policy: an empty list means everyone.
    moving = {"allow-migration": _ingress(serving, job_hosts, [_tcp(_POSTGRES)])} if job_hosts else {}
    return {
        "deny-all": _DENY_ALL,
        "allow-dns": _DNS,
        "allow-application": _ingress(serving, [_of_app(system, _past_pool(system))], [_tcp(_POSTGRES)]),
        "allow-operator": _ingress(instances, [_namespace(settings.operator_namespace)], both),
        "allow-metrics": _ingress(serving, [_namespace(naming.MONITORING, _PROMETHEUS)], [_tcp(targets.DATABASE_PORT)]),
        "allow-instances": {
            "podSelector": instances,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{"from": [{"podSelector": instances}], "ports": both}],
            "egress": [{"to": [{"podSelector": instances}], "ports": both}],
        },
        # An instance asks the API server what it should be. The address is the server's own: policies are judged
        # after the service's address was translated.
        "allow-api-server": _egress(instances, [_address(api_host)], [_tcp(int(api_port))]),
        "allow-object-store": _egress(
            instances, [_address(settings.object_store[0])], [_tcp(settings.object_store[1])]
        ),
        # The subscription of the migration reads the source's changes.
        "allow-source-database": _egress(instances, [source], [_tcp(_POSTGRES)]),
        **moving,
        **_seeded(settings, system, instances),
        **(_pool(system, serving, api_host, int(api_port)) if system.database.pooler else {}),
    }


def _seeded(settings: Settings, system: System, instances: Document) -> dict[str, Document]:
    """Return the way to the copy that the database begins from, while the stack says that there is one."""
    if system.id not in settings.seeds:
        return {}
    host, port = settings.seeds[system.id]
    return {"allow-seed": _egress(instances, [_address(host)], [_tcp(port)])}


def _pool(system: System, serving: Document, api_host: str, api_port: int) -> dict[str, Document]:
    """Return what a pool needs: clients, the instances behind it, the API server that tells it its settings."""
    pool = {"matchLabels": labels.of_pool(naming.pooler(system.id))}
    return {
        "allow-pooler": {
            "podSelector": pool,
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [
                {"from": [_of_app(system, calling(system))], "ports": [_tcp(_POSTGRES)]},
                {"from": [_namespace(naming.MONITORING, _PROMETHEUS)], "ports": [_tcp(targets.POOLER_PORT)]},
            ],
            "egress": [
                {"to": [{"podSelector": serving}], "ports": [_tcp(_POSTGRES)]},
                {"to": [_address(api_host)], "ports": [_tcp(api_port)]},
            ],
        },
        "allow-pooled": _ingress(serving, [{"podSelector": pool}], [_tcp(_POSTGRES)]),
    }


def _peers(system: System) -> tuple[str, ...]:
    """Return the components of the application that ask the database and the store."""
    return (*calling(system), "schema")


def _past_pool(system: System) -> tuple[str, ...]:
    """Return the components of the application that ask the database itself: without a pool all of them."""
    return ("schema",) if system.database.pooler else _peers(system)


def _of_app(system: System, components: tuple[str, ...]) -> Document:
    return {**_namespace(naming.app_namespace(system.id)), "podSelector": _components(components)}


def _components(names: tuple[str, ...]) -> Document:
    return {"matchExpressions": [{"key": labels.COMPONENT, "operator": "In", "values": list(names)}]}


def drills(settings: Settings) -> dict[str, Document]:
    """Return the policies of the namespace of restore drills: no way to or from any system leads there."""
    api_host, _, api_port = settings.api_server.rpartition(":")
    host, port = settings.object_store
    job_hosts = [{"ipBlock": {"cidr": cidr}} for cidr in settings.catalogue.province.job_hosts]
    moving = {"allow-migration": _ingress({}, job_hosts, [_tcp(_POSTGRES)])} if job_hosts else {}
    both = [_tcp(_INSTANCE_MANAGER), _tcp(_POSTGRES)]
    return {
        "deny-all": _DENY_ALL,
        "allow-dns": _DNS,
        "allow-operator": _ingress({}, [_namespace(settings.operator_namespace)], both),
        "allow-api-server": _egress({}, [_address(api_host)], [_tcp(int(api_port))]),
        "allow-object-store": _egress({}, [_address(host)], [_tcp(port)]),
        **moving,
    }


def monitoring(settings: Settings) -> dict[str, Document]:
    """Return the policies of monitoring: it asks exactly what it measures, and nobody asks it over the network."""
    systems = settings.catalogue.systems
    certificates = settings.catalogue.province.target.certificates
    pooled = [_namespace(naming.data_namespace(each.id)) for each in systems if each.database.pooler]
    asks = {
        "databases": ([_namespace(naming.data_namespace(each.id)) for each in systems], targets.DATABASE_PORT),
        "pools": (pooled, targets.POOLER_PORT),
        "operator": ([_namespace(settings.operator_namespace)], targets.OPERATOR_PORT),
        "gateway": ([_namespace(settings.edge_namespace)], targets.GATEWAY_PORT),
        "cluster-state": (
            [_namespace(settings.state_metrics_namespace)] if settings.state_metrics_namespace else [],
            targets.STATE_PORT,
        ),
        "certificates": ([_namespace(certificates.namespace)] if certificates else [], targets.CERTIFICATE_PORT),
        "alertmanager": ([{"podSelector": {"matchLabels": _ALERTMANAGER}}], targets.ALERTMANAGER_PORT),
    }
    prometheus, alertmanager = {"matchLabels": _PROMETHEUS}, {"matchLabels": _ALERTMANAGER}
    found = {
        "deny-all": _DENY_ALL,
        "allow-dns": _DNS,
        **{f"allow-{to}": _egress(prometheus, peers, [_tcp(port)]) for to, (peers, port) in asks.items() if peers},
        "allow-prometheus": _ingress(alertmanager, [{"podSelector": prometheus}], [_tcp(targets.ALERTMANAGER_PORT)]),
    }
    if settings.alert_webhook:
        parts = urlsplit(settings.alert_webhook)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        found["allow-receiver"] = _egress(alertmanager, [_address(str(parts.hostname))], [_tcp(port)])
    return found


def security_log(settings: Settings, log: SecurityLog) -> dict[str, dict[str, Document]]:
    """Return the policies of both namespaces of the security log: from agents to relay, connector and declared ends."""
    agents, relay, connector = (
        {"app.kubernetes.io/name": name} for name in (naming.LOG_AGENT, naming.LOG_RELAY, naming.LOG_NATIONAL)
    )
    at, own = [_tcp(LOG_PORT)], naming.SECURITY_LOG
    # No DNS: the ends are addresses, and a name that is asked for is a way out.
    found = {
        "deny-all": _DENY_ALL,
        "allow-agents": _ingress({"matchLabels": relay}, [_namespace(naming.LOG_AGENTS, agents)], at),
        "allow-soc": _egress({"matchLabels": relay}, [_address(log.soc.address)], [_tcp(log.soc.port)]),
    }
    if log.national:
        end = [_address(log.national.address)]
        found |= {
            "allow-to-connector": _egress({"matchLabels": relay}, [_namespace(own, connector)], at),
            "allow-from-relay": _ingress({"matchLabels": connector}, [_namespace(own, relay)], at),
            "allow-national": _egress({"matchLabels": connector}, end, [_tcp(log.national.port)]),
        }
    agent_to_relay = _egress({"matchLabels": agents}, [_namespace(own, relay)], at)
    return {
        naming.LOG_AGENTS: {"deny-all": _DENY_ALL, "allow-dns": _DNS, "allow-relay": agent_to_relay},
        own: found,
    }


_DENY_ALL: Final[Document] = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
_DNS: Final[Document] = {
    "podSelector": {},
    "policyTypes": ["Egress"],
    "egress": [
        {
            "to": [
                {
                    "namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: "kube-system"}},
                    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
                }
            ],
            "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
        }
    ],
}


def _ingress(pods: Document, peers: list[Document], ports: list[Document]) -> Document:
    return {"podSelector": pods, "policyTypes": ["Ingress"], "ingress": [{"from": peers, "ports": ports}]}


def _egress(pods: Document, peers: list[Document], ports: list[Document]) -> Document:
    return {"podSelector": pods, "policyTypes": ["Egress"], "egress": [{"to": peers, "ports": ports}]}


def _namespace(name: str, pods: dict[str, str] | None = None) -> Document:
    peer: Document = {"namespaceSelector": {"matchLabels": {_NAMESPACE_NAME: name}}}
    return {**peer, "podSelector": {"matchLabels": pods}} if pods else peer


def _tcp(port: int) -> Document:
    return {"protocol": "TCP", "port": port}


def _address(host: str) -> Document:
    return {"ipBlock": {"cidr": f"{host}/32"}}
