"""The whole centre's network, proved: systems are apart, the internet reaches none of them, a planted hole is found."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.load import Catalogue
from infra import labels, naming
from infra.components.network_policies import policies
from infra.config import Settings
from infra.reachability import matrix
from infra.reachability.__main__ import whole
from infra.reachability.centre import Centre, of
from infra.reachability.ports import said
from infra.reachability.proof import prove
from infra.render.declared import build
from infra.render.manifests import manifests
from tests.support.declared import CATALOGUE, GROUNDS, Built, built_once
from tests.support.own_centre import OWN, province

Stacks = Callable[[str], Built]
Document = dict[str, Any]
SYSTEMS = ("portal", "feedback")
EVERY_NAMESPACE: Document = {"namespaceSelector": {}}


def planted(namespace: str, name: str, **spec: Any) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {}, **spec},
    }


def breaches(documents: list[Document], settings: Settings, *more: Document) -> dict[str, str]:
    found = prove(of([*documents, *more], settings)).breaches
    return {f"{each.rule}: {each.verdict.source} → {each.verdict.target}": said(each.ports) for each in found}


def test_every_workload_of_every_stack_is_an_end(centre: Centre) -> None:
    expected = {f"{s}/{c}" for s in SYSTEMS for c in ("web", "job", "schema", "database", "database-job")}
    assert {pods.name for pods in centre.pods} == {*expected, "portal/pooler", "portal/worker"}
    assert {pods.tier for pods in centre.pods} == {"app", "data"}
    assert centre.policies == 54
    assert "dcshift-drills/database" in {end.name for end in centre.ends}, "a restored copy is looked at, too"


def test_no_path_leads_between_two_systems_nor_from_the_internet_to_any(centre: Centre) -> None:
    proof = prove(centre)
    assert proof.breaches == ()
    assert proof.between_systems == 2 * 7 * 5


def _pooled(system: str) -> list[str]:
    return [f"{system}/{each}" for each in ("web", "job", *(["worker"] if system == "portal" else []))]


def test_what_a_system_needs_is_open(centre: Centre) -> None:
    """A centre without any path would pass every test above."""
    ends = {end.name: end for end in centre.ends}
    for system, port, at in (("portal", 8000, "portal/pooler"), ("feedback", 8001, "feedback/database")):
        for source, target, number, protocol in (
            ("gateway", f"{system}/web", port, "TCP"),
            (f"{system}/schema", f"{system}/database", 5432, "TCP"),
            *((f"{each}", at, 5432, "TCP") for each in _pooled(system)),
            *((f"{each}", "object-store", 8333, "TCP") for each in (*_pooled(system), f"{system}/schema")),
            *((f"{system}/{each}", "dns", 53, "UDP") for each in ("web", "job", "database")),
            ("operator", f"{system}/database", 8000, "TCP"),
            (f"{system}/database", "api-server", 6443, "TCP"),
            (f"{system}/database", "source", 5432, "TCP"),
            (f"{system}/database-job", f"{system}/database", 5432, "TCP"),
            ("dcshift-monitoring/prometheus", f"{system}/database", 9187, "TCP"),
        ):
            verdict = centre.network.verdict(ends[source], ends[target], number, protocol)
            assert verdict.allowed, verdict
    assert not centre.network.open_ports(ends["gateway"], ends["portal/database"])


def test_a_pool_is_the_applications_only_way_to_its_database_and_leads_nowhere_else(centre: Centre) -> None:
    ends = {end.name: end for end in centre.ends}

    def reached(source: str) -> dict[str, str]:
        found = {name: centre.network.open_ports(ends[source], end) for name, end in ends.items() if name != "dns"}
        return {name: said(ports) for name, ports in found.items() if ports}

    pool = ends["portal/pooler"]
    # The lab's object store and API server share one address.
    assert reached("portal/pooler") == {"portal/database": "5432", "api-server": "6443", "object-store": "6443"}
    assert {name: said(p) for name, end in ends.items() if (p := centre.network.open_ports(end, pool))} == {
        "portal/web": "5432",
        "portal/job": "5432",
        "portal/worker": "5432",
        "dcshift-monitoring/prometheus": "9127",
    }
    for each in ("web", "job", "worker"):
        assert not centre.network.open_ports(ends[f"portal/{each}"], ends["portal/database"])
    assert "portal/pooler" not in reached("portal/database")
    assert "portal/pooler" not in reached("portal/schema")


def test_monitoring_asks_what_it_measures_and_nobody_asks_it(centre: Centre) -> None:
    ends = {end.name: end for end in centre.ends}
    prometheus, alertmanager = ends["dcshift-monitoring/prometheus"], ends["dcshift-monitoring/alertmanager"]
    asked = {name: said(ports) for name, end in ends.items() if (ports := centre.network.open_ports(prometheus, end))}
    assert asked == {
        "portal/database": "9187",
        "feedback/database": "9187",
        "portal/pooler": "9127",
        "operator": "8080",
        "gateway": "9100",
        "certificates": "9402",
        "dcshift-monitoring/alertmanager": "9093",
        "dns": "53, 53/udp",
    }
    assert [name for name, end in ends.items() if centre.network.open_ports(alertmanager, end)] == ["dns"]
    askers = {
        name for name, end in ends.items() for one in (prometheus, alertmanager) if centre.network.open_ports(end, one)
    }
    assert askers == {"dcshift-monitoring/prometheus"}


@pytest.mark.parametrize(
    ("holes", "expected"),
    [
        (
            # Too wide at the database's door, and a neighbour that may go out to it: both ends are needed.
            [
                planted("httt-feedback-data", "open", policyTypes=["Ingress"], ingress=[{"ports": [{"port": 5432}]}]),
                planted("httt-portal-app", "open", policyTypes=["Egress"], egress=[{"to": [EVERY_NAMESPACE]}]),
            ],
            {
                "systems-apart: portal/web → feedback/database": "5432",
                "internet-to-data: internet → feedback/database": "5432",
                "stranger-to-data: elsewhere → feedback/database": "5432",
            },
        ),
        (
            # Meant for the internet only; but the enforcer compares addresses, and every pod has one.
            [planted("httt-portal-data", "backup", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}], "ports": [{"port": 443}]}])],
            {"data-to-internet: portal/database → internet": "443"},
        ),
        (
            [planted("httt-portal-app", "door", ingress=[{"from": [{"ipBlock": {"cidr": "203.0.113.0/24"}}]}])],
            {"internet-to-app: internet → portal/web": "everything"},
        ),
        (
            [
                planted("dcshift-drills", "door", ingress=[{"from": [EVERY_NAMESPACE], "ports": [{"port": 5432}]}]),
                planted("httt-portal-app", "open", policyTypes=["Egress"], egress=[{"to": [EVERY_NAMESPACE]}]),
            ],
            {"drills-apart: portal/web → dcshift-drills/database": "5432"},
        ),
        (
            [
                planted("dcshift-monitoring", "curious", policyTypes=["Egress"], egress=[{"to": [EVERY_NAMESPACE]}]),
                planted("httt-portal-data", "door", ingress=[{"from": [EVERY_NAMESPACE], "ports": [{"port": 5432}]}]),
                planted("dcshift-monitoring", "door", ingress=[{"from": [EVERY_NAMESPACE], "ports": [{"port": 9090}]}]),
                planted("httt-feedback-app", "open", policyTypes=["Egress"], egress=[{"to": [EVERY_NAMESPACE]}]),
            ],
            {
                "monitoring-measures-only: dcshift-monitoring/prometheus → portal/database": "5432",
                "monitoring-measures-only: feedback/web → dcshift-monitoring/prometheus": "9090",
            },
        ),
    ],
    ids=[
        *("a door without a name", "every address", "one block of the internet", "a way to a restored copy"),
        "a way from and to monitoring",
    ],
)  # fmt: skip
def test_a_planted_hole_is_found_with_its_ports(
    holes: list[Document], expected: dict[str, str], documents: list[Document], settings: Settings
) -> None:
    found = breaches(documents, settings, *holes)
    assert expected.items() <= found.items()


def test_a_hole_at_one_end_only_is_no_path(documents: list[Document], settings: Settings) -> None:
    hole = planted("httt-feedback-app", "open", ingress=[{"from": [{"namespaceSelector": {}}]}])
    assert not [name for name in breaches(documents, settings, hole) if name.startswith("systems-apart")]


def test_a_missing_deny_all_is_found(documents: list[Document], settings: Settings) -> None:
    """The openings select by component: without deny-all a pod that no opening selects is open to everyone."""
    left = [d for d in documents if (d["kind"], d["metadata"]["name"]) != ("NetworkPolicy", "deny-all")]
    found = breaches(left, settings)
    assert found["internet-to-app: internet → portal/job"] == "everything"


def test_pods_in_the_hosts_own_network_count_as_open(documents: list[Document], settings: Settings) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "agent", "namespace": "httt-portal-app", "labels": {}},
        "spec": {"hostNetwork": True, "containers": [{"name": "agent"}]},
    }
    assert breaches([*documents, pod], settings)["internet-to-app: internet → portal/agent"] == "everything"


def test_a_breach_is_told_with_both_deciding_policies(documents: list[Document], settings: Settings) -> None:
    holes = [
        planted("httt-feedback-data", "wide", policyTypes=["Ingress"], ingress=[{"ports": [{"port": 5432}]}]),
        planted("httt-portal-app", "wide", policyTypes=["Egress"], egress=[{}]),
    ]
    document, text, status = whole(of([*documents, *holes], settings))
    assert status == 3
    (told,) = [b for b in document["breaches"] if (b["source"], b["target"]) == ("portal/web", "feedback/database")]
    assert told["out"]["policies"] == ["httt-portal-app/wide"]
    assert told["in"]["policies"] == ["httt-feedback-data/wide"]
    assert "systems-apart: portal/web reaches feedback/database at 5432" in text
    assert "  in   open: httt-feedback-data/wide" in text
    assert f"{len(document['breaches'])} forbidden paths open" in text.splitlines()[-1]


def friends(settings: Settings, *pairs: tuple[str, list[str]]) -> Settings:
    """Return settings whose systems name each other."""
    named = dict(pairs)
    systems = tuple(
        system.model_copy(update={"integrations": named.get(system.id, [])}) for system in settings.catalogue.systems
    )
    return replace(settings, catalogue=replace(settings.catalogue, systems=systems))


def test_policies_of_hand_are_held_to_what_is_declared(documents: list[Document], settings: Settings) -> None:
    both = friends(settings, ("portal", ["feedback"]), ("feedback", ["portal"]))
    only_web = {"matchLabels": {"app.kubernetes.io/component": "web"}}
    out = planted("httt-portal-app", "friend", policyTypes=["Egress"],
                  egress=[{"to": [EVERY_NAMESPACE], "ports": [{"port": 8000, "endPort": 8001}]}])  # fmt: skip
    into = planted("httt-feedback-app", "friend", ingress=[
        {"from": [{"namespaceSelector": {"matchLabels": {labels.SYSTEM: "portal", labels.TIER: "app"}}}],
         "ports": [{"port": 8001}]}], podSelector=only_web)  # fmt: skip
    assert set(breaches(documents, both, out, into)) == {"systems-apart: portal/schema → feedback/web"}
    assert "systems-apart: portal/web → feedback/web" in breaches(documents, settings, out, into)
    one_sided = friends(settings, ("portal", ["feedback"]))
    assert "systems-apart: portal/web → feedback/web" in breaches(documents, one_sided, out, into)
    wide = {**into, "spec": {**into["spec"], "podSelector": {}}}
    assert breaches(documents, both, out, wide)["systems-apart: portal/web → feedback/job"] == "8001"
    into["spec"]["ingress"][0]["ports"] = [{"port": 8000, "endPort": 8001}]
    assert breaches(documents, both, out, into)["systems-apart: portal/web → feedback/web"] == "8000"


_NATION = {
    "national_endpoints": [
        {"id": "ndxp", "name": {"vi": "Trục", "en": "Bus"}, "host": "ndxp.example", "port": 8443,
         "addresses": ["203.0.113.77"]},
        {"id": "csdl", "name": {"vi": "Dân cư", "en": "Population"}, "host": "csdl.example"},
    ]
}  # fmt: skip


@pytest.fixture(scope="module")
def integrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Document], Settings]:
    """A centre whose two systems name each other, and of which one names two services of the nation."""
    folder = tmp_path_factory.mktemp("integrated") / "catalogue"
    shutil.copytree(CATALOGUE, folder)
    for name, fields in (
        ("portal", {"integrations": ["feedback", "ndxp", "csdl"]}),
        ("feedback", {"integrations": ["portal"]}),
        ("province", _NATION),
    ):
        file = folder / f"{name}.yaml"
        written = yaml.safe_load(file.read_text(encoding="utf-8")) | fields
        file.write_text(yaml.safe_dump(written, allow_unicode=True), encoding="utf-8")
    migrated = {"migrate": "true"}
    stacks = [build(stack, catalogue=folder) for stack in ("platform", *GROUNDS, "data")]
    stacks += [build(system, migrated, catalogue=folder) for system in SYSTEMS]
    assert stacks[0].settings
    return [each.document for built in stacks for each in manifests(built)], stacks[0].settings


def test_a_declared_integration_opens_the_others_web_port_and_nothing_else(
    integrated: tuple[list[Document], Settings],
) -> None:
    centre = of(*integrated)
    assert prove(centre).breaches == ()
    ends = {end.name: end for end in centre.ends}

    def callers(target: str) -> dict[str, str]:
        found = {name: centre.network.open_ports(end, ends[target]) for name, end in ends.items()}
        return {name: said(ports) for name, ports in found.items() if ports and name.split("/")[0] in SYSTEMS}

    assert callers("feedback/web") == dict.fromkeys(("portal/web", "portal/job", "portal/worker"), "8001")
    assert callers("portal/web") == dict.fromkeys(("feedback/web", "feedback/job"), "8000")
    assert callers("feedback/job") == {}
    assert callers("nation/ndxp") == dict.fromkeys(("portal/web", "portal/job", "portal/worker"), "8443")
    assert "nation/csdl" not in ends, "an endpoint without addresses opens nothing, above all not everything"


def test_an_application_is_told_where_its_neighbours_are(integrated: tuple[list[Document], Settings]) -> None:
    def environment(name: str) -> dict[str, str]:
        (web,) = [d for d in integrated[0] if d["kind"] == "Deployment" and d["metadata"]["name"] == name]
        told = web["spec"]["template"]["spec"]["containers"][0]["env"]
        return {each["name"]: each.get("value", "") for each in told}

    portal, feedback = environment("portal-web"), environment("feedback-web")
    near = "feedback-web.httt-feedback-app.svc.cluster.local"
    assert portal["INTEGRATION_FEEDBACK"] == f"http://{near}"
    assert portal["INTEGRATION_NDXP"] == "https://ndxp.example:8443"
    assert feedback["ALLOWED_HOSTS"] == f"phananh.khanhhoa.example,{near}"
    assert not [name for name in feedback if name.startswith("INTEGRATION_") and name != "INTEGRATION_PORTAL"]


@pytest.mark.parametrize("rule", ["app-to-internet", "nation-by-declaration"])
def test_a_way_out_that_nobody_declared_is_found(integrated: tuple[list[Document], Settings], rule: str) -> None:
    block = "203.0.113.77/32" if rule == "nation-by-declaration" else "93.184.216.34/32"
    hole = planted("httt-feedback-app", "out", policyTypes=["Egress"], egress=[{"to": [{"ipBlock": {"cidr": block}}]}])
    found = breaches(*integrated, hole)
    target = "nation/ndxp" if rule == "nation-by-declaration" else "internet"
    assert f"{rule}: feedback/web → {target}" in found


def test_the_matrix_has_a_row_for_each_tier_and_says_what_is_closed_everywhere(centre: Centre) -> None:
    found = matrix.matrix(centre)
    assert found["reaches"]["portal/app"] == {
        "own data": "5432",
        "dns": "53, 53/udp",
        "object-store": "8333",
        # One machine of the lab is both, so an address cannot tell them apart.
        "api-server": "8333",
    }
    assert found["reached_by"]["portal/app"] == {"gateway": "8000"}
    assert "closed in every row: other systems, dns" in matrix.text(centre)


def of_many(settings: Settings, count: int) -> tuple[list[Document], Settings]:
    """Return the network of a province of many systems, from the policies' own module."""
    portal = settings.catalogue.system("portal")
    systems = tuple(portal.model_copy(update={"id": f"s{at}"}) for at in range(count))
    large = replace(settings, catalogue=Catalogue(settings.catalogue.province, systems, "0" * 64))
    return [document for system in systems for document in _network_of(large, system)], large


def _network_of(settings: Settings, system: Any) -> Iterator[Document]:
    for policy in policies(settings, system):
        yield planted(policy.namespace, policy.name, **policy.spec)
    tiers: tuple[tuple[labels.Tier, str], ...] = (
        ("app", naming.app_namespace(system.id)),
        ("data", naming.data_namespace(system.id)),
    )
    for tier, namespace in tiers:
        found = labels.of_namespace(settings.catalogue.province, system, tier)
        yield {"kind": "Namespace", "metadata": {"name": namespace, "labels": found}}
    for component in ("web", "job", "schema"):
        found = labels.of_component(settings.catalogue.province, system, component)
        yield {
            "kind": "Pod",
            "metadata": {"name": component, "namespace": naming.app_namespace(system.id), "labels": found},
            "spec": {"containers": []},
        }
    where = {"name": naming.cluster(system.id), "namespace": naming.data_namespace(system.id)}
    yield {"kind": "Cluster", "apiVersion": "postgresql.cnpg.io/v1", "metadata": where}


def test_thirty_systems_are_proved_in_seconds(settings: Settings) -> None:
    began = time.process_time()  # of this process alone: how busy the machine is must not matter
    large = of(*of_many(settings, 30))
    proof = prove(large)
    assert proof.breaches == ()
    assert len(large.pods) == 150
    assert proof.between_systems == 150 * 145
    assert time.process_time() - began < 30


@pytest.fixture
def settings_with_a_job_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A job host and a source with private addresses, as they mostly are."""
    cidrs = ("  cidr: 198.51.100.0/24", "  cidr: 10.7.0.0/16")
    folder = province(
        tmp_path, ("province.yaml", *cidrs), ("province.yaml", "windows:", "job_hosts: [10.7.8.9/32]\nwindows:")
    )
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(folder))
    found = built_once("platform", OWN).settings
    assert found
    return found


def test_a_job_host_reaches_the_databases_and_nothing_else(settings_with_a_job_host: Settings) -> None:
    made = [built_once(stack, OWN) for stack in ("platform", *GROUNDS, "data", *SYSTEMS)]
    centre = of([manifest.document for each in made for manifest in manifests(each)], settings_with_a_job_host)
    ends = {end.name: end for end in centre.ends}
    reached = {
        name: said(ports)
        for name, end in ends.items()
        if (ports := centre.network.open_ports(ends["job-host"], end)) and getattr(end, "system", None)
    }
    assert reached == {"portal/database": "5432", "feedback/database": "5432"}
    verdict = centre.network.verdict(ends["job-host"], ends["portal/database"], 5432)
    assert verdict.ingress.policies == ("httt-portal-data/allow-migration",)
    assert prove(centre).breaches == ()


def test_a_wider_door_for_job_hosts_is_found(settings_with_a_job_host: Settings) -> None:
    made = [built_once(stack, OWN) for stack in ("platform", *GROUNDS, *SYSTEMS)]
    documents = [manifest.document for each in made for manifest in manifests(each)]
    door = planted("httt-portal-app", "door", ingress=[{"from": [{"ipBlock": {"cidr": "10.7.8.9/32"}}]}])
    assert breaches(documents, settings_with_a_job_host, door) == {
        "job-host-to-app: job-host → portal/job": "everything",
        "job-host-to-app: job-host → portal/web": "everything",
        "job-host-to-app: job-host → portal/worker": "everything",
    }


def test_without_job_hosts_there_is_no_such_end_and_no_such_policy(centre: Centre, documents: list[Document]) -> None:
    assert "job-host" not in {end.name for end in centre.ends}
    assert "allow-migration" not in {each["metadata"]["name"] for each in documents}
