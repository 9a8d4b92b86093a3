"""The whole declared centre as ends and policies, read from its manifests; pure data once it is read.

What is not declared by us (gateway, operator, DNS, any other namespace) stands there with unknown labels, so that
a rule that may mean it is taken to mean it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from infra import labels, naming
from infra.config import Settings
from infra.integrations import endpoints, neighbours
from infra.reachability.addresses import EVERYWHERE, NOT_ROUTED, PODS, Range, ranges
from infra.reachability.ends import End, Outside, Pods, Port, labels_of
from infra.reachability.network import Network
from infra.reachability.policies import read
from infra.reachability.ports import Ports

NAMESPACE_NAME: Final = "kubernetes.io/metadata.name"
INTERNET: Final = "internet"
ELSEWHERE: Final = "elsewhere"
JOB_HOST: Final = "job-host"
_INSTANCE_PORTS: Final = (
    Port("postgresql", "TCP", 5432),
    Port("metrics", "TCP", 9187),
    Port("status", "TCP", 8000),
)
_POOLER_PORTS: Final = (Port("pgbouncer", "TCP", 5432), Port("metrics", "TCP", 9127))
_DNS_PORTS: Final = (Port("dns", "UDP", 53), Port("dns-tcp", "TCP", 53))
Document = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Integration:
    """One declared way between two systems: to the web process of the other, at its port."""

    source: str
    target: str
    ports: tuple[Ports, ...]


@dataclass(frozen=True, slots=True)
class Receiver:
    """A declared end of the security log, at its one port."""

    name: str
    addresses: tuple[Range, ...]
    port: Ports


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A declared service of the nation, at its one port, and the systems that may call it."""

    name: str
    addresses: tuple[Range, ...]
    port: Ports
    callers: frozenset[str]


@dataclass(frozen=True, slots=True)
class Centre:
    """Every end that there is, every policy, and what the catalogue says may be between systems."""

    ends: tuple[End, ...]
    network: Network
    policies: int
    integrations: tuple[Integration, ...]
    receivers: tuple[Receiver, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()

    @property
    def pods(self) -> tuple[Pods, ...]:
        """Return the pods of the catalogue's systems."""
        return tuple(end for end in self.ends if isinstance(end, Pods) and end.system)


def of(documents: Iterable[Document], settings: Settings) -> Centre:
    """Read a centre from the manifests of all its stacks. Raises `ValueError` for a policy that cannot be read."""
    listed = list(documents)
    namespaces = {
        each["metadata"]["name"]: {NAMESPACE_NAME: each["metadata"]["name"], **labels_of(each["metadata"]["labels"])}
        for each in listed
        if each["kind"] == "Namespace"
    }
    policies = [read(each) for each in listed if each["kind"] == "NetworkPolicy"]
    own = _told_apart(pods for each in [*listed, *_drills(namespaces)] for pods in _workload(each, namespaces))
    # A job host is no pod: else its address, private as it mostly is, would open its door to every pod.
    pods_addresses = ranges(PODS, settings.catalogue.province.job_hosts)
    return Centre(
        ends=tuple(
            replace(end, addresses=pods_addresses) if isinstance(end, Pods) else end
            for end in (*own, *_around(settings))
        ),
        network=Network(policies),
        policies=len(policies),
        integrations=tuple(_integrations(settings)),
        receivers=tuple(_receivers(settings)),
        endpoints=tuple(_endpoints(settings)),
    )


def _drills(namespaces: Mapping[str, object]) -> list[Document]:
    """Return the database of a restore drill, which no stack declares and which holds what a system's does."""
    made = {"apiVersion": "postgresql.cnpg.io/v1", "kind": "Cluster"}
    metadata = {"name": "drill", "namespace": naming.DRILLS}
    return [{**made, "metadata": metadata}] if naming.DRILLS in namespaces else []


def _integrations(settings: Settings) -> Iterator[Integration]:
    for system in settings.catalogue.systems:
        for other in neighbours(settings, system):
            yield Integration(system.id, other.id, (Ports("TCP", other.web.port, other.web.port),))


def _endpoints(settings: Settings) -> Iterator[Endpoint]:
    for each in settings.catalogue.province.national_endpoints:
        callers = frozenset(s.id for s in settings.catalogue.systems if each in endpoints(settings, s))
        addresses = ranges([f"{address}/32" for address in each.addresses])
        yield Endpoint(f"nation/{each.id}", addresses, Ports("TCP", each.port, each.port), callers)


def _receivers(settings: Settings) -> Iterator[Receiver]:
    log = settings.catalogue.province.security_log
    for name, end in (("soc", log.soc), ("national", log.national)) if log else ():
        if end:
            yield Receiver(name, ranges([f"{end.address}/32"]), Ports("TCP", end.port, end.port))


def _workload(document: Document, namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[Pods]:
    """Yield the pods that an object makes, by itself or through its operator."""
    metadata, spec = document["metadata"], document.get("spec") or {}
    match document["kind"]:
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            yield _of_template(metadata, spec["template"], namespaces)
        case "CronJob":
            yield _of_template(metadata, spec["jobTemplate"]["spec"]["template"], namespaces)
        case "Pod":
            yield _of_template(metadata, document, namespaces)
        case "Cluster" if document["apiVersion"].startswith("postgresql.cnpg.io/"):
            yield from _of_cluster(metadata, namespaces)
        case "Pooler":
            yield _of_pooler(metadata, spec["cluster"]["name"], namespaces)


def _of_template(metadata: Document, template: Document, namespaces: Mapping[str, Mapping[str, str]]) -> Pods:
    found = labels_of((template.get("metadata") or {}).get("labels"))
    spec = template["spec"]
    ports = tuple(
        Port(port.get("name", ""), port.get("protocol", "TCP"), port["containerPort"])
        for container in (*spec.get("initContainers", ()), *spec["containers"])
        for port in container.get("ports", ())
    )
    # Pods in the host's own network are beyond every policy: without known labels none isolates them here either.
    hosted = bool(spec.get("hostNetwork"))
    return _pods(metadata, namespaces, found.get(labels.COMPONENT), None if hosted else found, ports)


def _of_cluster(metadata: Document, namespaces: Mapping[str, Mapping[str, str]]) -> Iterator[Pods]:
    """Yield what CloudNativePG makes of a cluster, with its labels (1.30: pkg/specs/pods.go and jobs.go)."""
    name = metadata["name"]
    common = {
        "cnpg.io/cluster": name,
        "cnpg.io/instanceName": f"{name}-1",
        **_of_operator(name, "database"),
    }
    yield _pods(metadata, namespaces, "database", {**common, "cnpg.io/podRole": "instance"}, _INSTANCE_PORTS)
    yield _pods(metadata, namespaces, "database-job", {**common, "cnpg.io/jobRole": "initdb"}, ())


def _of_pooler(metadata: Document, cluster: str, namespaces: Mapping[str, Mapping[str, str]]) -> Pods:
    """Return what CloudNativePG makes of a pool, with its labels (1.30: pkg/specs/pgbouncer/deployments.go)."""
    found = {
        "cnpg.io/cluster": cluster,
        "cnpg.io/poolerName": metadata["name"],
        "cnpg.io/podRole": "pooler",
        **_of_operator(cluster, "pooler"),
    }
    return _pods(metadata, namespaces, "pooler", found, _POOLER_PORTS)


def _of_operator(cluster: str, component: str) -> dict[str, str]:
    return {
        "app.kubernetes.io/name": "postgresql",
        "app.kubernetes.io/instance": cluster,
        "app.kubernetes.io/managed-by": "cloudnative-pg",
        labels.COMPONENT: component,
    }


def _pods(
    metadata: Document,
    namespaces: Mapping[str, Mapping[str, str]],
    component: str | None,
    found: dict[str, str] | None,
    ports: tuple[Port, ...],
) -> Pods:
    namespace = metadata["namespace"]
    of_namespace = namespaces.get(namespace, {NAMESPACE_NAME: namespace})
    system = of_namespace.get(labels.SYSTEM)
    return Pods(
        name=f"{system or namespace}/{component or metadata['name']}",
        namespace=namespace,
        namespace_labels=of_namespace,
        labels=found,
        ports=ports,
        system=system,
        tier=of_namespace.get(labels.TIER),
    )


def _told_apart(given: Iterable[Pods]) -> list[Pods]:
    """Return each kind of pods once: jobs with equal labels are one end, a second kind of a name gets a number."""
    found: list[Pods] = []
    for pods in sorted(given, key=lambda each: (each.name, sorted((each.labels or {}).items()))):
        same_name = [each for each in found if each.name == pods.name or each.name.startswith(f"{pods.name}-#")]
        if any(
            (each.namespace, each.labels, each.ports) == (pods.namespace, pods.labels, pods.ports) for each in same_name
        ):
            continue
        name = f"{pods.name}-#{len(same_name) + 1}" if same_name else pods.name
        found.append(
            Pods(
                name,
                pods.namespace,
                pods.namespace_labels,
                pods.labels,
                pods.ports,
                pods.addresses,
                pods.system,
                pods.tier,
            )
        )
    return found


def _around(settings: Settings) -> Iterator[End]:
    """Yield the worlds around the systems."""
    province = settings.catalogue.province
    store, api = settings.object_store[0], settings.api_server.rpartition(":")[0]
    log = province.security_log
    receivers = [f"{end.address}/32" for end in (log.soc, log.national) if end] if log else []
    nation = [f"{address}/32" for each in province.national_endpoints for address in each.addresses]
    known = [f"{store}/32", f"{api}/32", province.source.cidr, *province.job_hosts, *receivers, *nation]
    yield _foreign("gateway", settings.edge_namespace)
    yield _foreign("operator", settings.operator_namespace)
    if province.target.certificates:
        yield _foreign("certificates", province.target.certificates.namespace)
    yield Pods("dns", "kube-system", {NAMESPACE_NAME: "kube-system"}, {"k8s-app": "kube-dns"}, _DNS_PORTS)
    yield _foreign(ELSEWHERE, ELSEWHERE)
    yield Outside("object-store", ranges(known[:1]))
    yield Outside("api-server", ranges(known[1:2]))
    yield Outside("source", ranges(known[2:3]))
    if province.job_hosts:
        yield Outside(JOB_HOST, ranges(province.job_hosts))
    yield from (Outside(each.name, each.addresses) for each in _receivers(settings))
    yield from (Outside(each.name, each.addresses) for each in _endpoints(settings) if each.addresses)
    yield Outside(INTERNET, ranges(EVERYWHERE, (*NOT_ROUTED, *known)))


def _foreign(name: str, namespace: str) -> Pods:
    return Pods(name, namespace, {NAMESPACE_NAME: namespace}, labels=None, ports=None)
