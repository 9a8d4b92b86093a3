"""The security log as it is declared: what is logged, where alone it may go, what its programs may touch."""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from catalogue.load import CatalogueError, load
from infra import log_keys, naming
from infra.components import log_relay
from infra.credentials import Secrets
from infra.errors import InfraError
from infra.reachability.centre import Centre, of
from infra.reachability.ports import said
from infra.reachability.proof import prove
from infra.render.declared import stacks
from infra.render.manifests import manifests
from infra.rights import kinds
from infra.rules.subjects import CLAIM
from tests.infra.test_isolation import planted
from tests.infra.test_provide import FakeApi
from tests.support.declared import CATALOGUE, Built, build

Stacks = Callable[[str], Built]
Document = dict[str, Any]
AGENT, RELAY = "dcshift-log-agents/dcshift-log-agent", "dcshift-security/dcshift-log-relay"
CONNECTOR = "dcshift-security/dcshift-log-national"
POLICY = yaml.safe_load((Path(log_keys.__file__).parent / "audit-policy.yaml").read_text(encoding="utf-8"))
NOW = datetime.datetime(2026, 11, 30, tzinfo=datetime.UTC)


def without(folder: Path, **changed: Any) -> Path:
    """Write the example's province with other values; None takes one away."""
    for file in CATALOGUE.glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.stem == "province":
            content = {key: value for key, value in {**content, **changed}.items() if value is not None}
        (folder / file.name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return folder


def documents(built: Built) -> list[Document]:
    return [manifest.document for manifest in manifests(built)]


def centre(stack: Stacks, *more: Document) -> Centre:
    made = [
        each for name in ("platform", "ground.portal", "data", "security", "portal") for each in documents(stack(name))
    ]
    settings = stack("platform").settings
    assert settings
    return of([*made, *more], settings)


def breaches(found: Centre) -> dict[str, str]:
    return {f"{b.rule}: {b.verdict.source} → {b.verdict.target}": said(b.ports) for b in prove(found).breaches}


# What is logged


def level(verb: str, group: str, resource: str, *groups: str, name: str = "") -> str:
    """Decide as the API server does: the first rule that fits."""
    for rule in POLICY["rules"]:
        if "nonResourceURLs" in rule or (rule.get("verbs") and verb not in rule["verbs"]):
            continue
        if rule.get("userGroups") and not set(rule["userGroups"]) & set(groups):
            continue
        asked = rule.get("resources")
        if asked is None or any(
            each["group"] == group
            and (not each.get("resources") or any(fnmatch.fnmatch(resource, r) for r in each["resources"]))
            and (not each.get("resourceNames") or name in each["resourceNames"])
            for each in asked
        ):
            return str(rule["level"])
    return "None"


@pytest.mark.parametrize("verb", ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"])
def test_every_touch_of_a_secret_is_logged_and_its_content_never_is(verb: str) -> None:
    for resource in ("secrets", "serviceaccounts/token"):
        assert level(verb, "", resource) == level(verb, "", resource, "system:nodes") == "Metadata"


def test_no_rule_writes_what_the_server_answered() -> None:
    assert {rule["level"] for rule in POLICY["rules"]} == {"None", "Metadata", "Request"}


def test_changes_of_rights_rules_and_data_are_logged_word_for_word() -> None:
    ground = {kind for kind in kinds.PLATFORM if kind.group != "gateway.networking.k8s.io"}
    for kind in {*ground, *kinds.DATA, CLAIM, kinds.BACKUPS} - set(kinds.PROGRAMS):
        assert level("patch", kind.group, kind.resource) == "Request", kind


def test_every_target_contract_is_logged_word_for_word_and_no_other_config_map() -> None:
    for verb in ("create", "update", "patch", "delete"):
        assert level(verb, "", "configmaps", name=naming.CONTRACT) == "Request"
        assert level(verb, "", "configmaps", name="portal-drill") == level(verb, "", "configmaps") == "Metadata"
    assert level("get", "", "configmaps", name=naming.CONTRACT) == "None"
    # What names no object, as a request to make one does, has only who, what and when: stacks patch.
    assert level("create", "", "configmaps") == "Metadata"


def test_every_other_change_is_logged_and_no_other_reading_but_sessions() -> None:
    for kind in kinds.ALL:
        assert level("delete", kind.group, kind.resource) != "None", kind
        assert level("list", kind.group, kind.resource) == "None", kind
    assert level("get", "", "pods/exec") == "Metadata"
    assert level("update", "coordination.k8s.io", "leases") == level("create", "", "events") == "None"
    assert level("patch", "", "nodes/status", "system:nodes") == "None"
    assert level("patch", "", "nodes/status") == "Metadata"


# Where it goes


def test_the_log_goes_to_its_declared_ends_and_nothing_else_leads_in_or_out(stack: Stacks) -> None:
    found = centre(stack)
    ends = {end.name: end for end in found.ends}
    assert breaches(found) == {}
    reached = {
        (s, t): said(p)
        for s in (AGENT, RELAY, CONNECTOR)
        for t in ends
        if (p := found.network.open_ports(ends[s], ends[t]))
    }
    assert reached == {
        (AGENT, "dns"): "53, 53/udp",
        (AGENT, RELAY): "2514",
        (RELAY, CONNECTOR): "2514",
        (RELAY, "soc"): "6514",
        (CONNECTOR, "national"): "6514",
    }


@pytest.mark.parametrize(
    ("hole", "expected"),
    [
        (
            planted("httt-portal-app", "hole", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 6514}]}]),
            {f"receivers-by-relay-only: portal/web → {end}": "6514" for end in ("soc", "national")},
        ),
        (
            planted("dcshift-security", "hole", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "192.0.2.20/32"}}]}]),
            {f"security-log-apart: {RELAY} → soc": "all SCTP, 1-6513, 6515-65535, all UDP",
             f"security-log-apart: {CONNECTOR} → soc": "everything"},
        ),
        (
            planted("dcshift-security", "hole", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "192.0.2.21/32"}}], "ports": [{"port": 6514}]}]),
            {f"security-log-apart: {RELAY} → national": "6514"},
        ),
        (
            planted("dcshift-security", "hole", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "8.8.8.8/32"}}], "ports": [{"port": 53, "protocol": "UDP"}]}]),
            {f"security-log-apart: {RELAY} → internet": "53/udp"},
        ),
        (
            planted("dcshift-log-agents", "hole", policyTypes=["Egress"], egress=[
                {"to": [{"ipBlock": {"cidr": "192.0.2.20/32"}}], "ports": [{"port": 6514}]}]),
            {f"security-log-apart: {AGENT} → soc": "6514"},
        ),
        (
            planted("dcshift-security", "hole", policyTypes=["Ingress"], ingress=[
                {"from": [{"namespaceSelector": {}}], "ports": [{"port": 2514}]}]),
            {f"security-log-apart: {who} → {to}": "2514"
             for who in ("gateway", "operator", "elsewhere", "dns") for to in (RELAY, CONNECTOR)},
        ),
    ],
)  # fmt: skip
def test_a_planted_hole_is_found(hole: Document, expected: dict[str, str], stack: Stacks) -> None:
    found = breaches(centre(stack, hole))
    assert expected.items() <= found.items(), found


def test_a_province_without_a_monitoring_centre_has_no_such_stack_and_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    folder = without(tmp_path, security_log=None)
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(folder))
    assert "security" not in list(stacks())
    names = {o.inputs["metadata"]["name"] for o in build("platform").of("Namespace")}
    assert not names & {naming.SECURITY_LOG, naming.LOG_AGENTS}
    with pytest.raises(InfraError) as told:
        build("security")
    assert told.value.code == "no-monitoring-centre"
    assert "security_log.soc" in told.value.next


def test_without_the_nation_nothing_is_sent_there_and_the_output_says_so(tmp_path: Path, monkeypatch: Any) -> None:
    soc = load(CATALOGUE).province.security_log
    assert soc
    monkeypatch.setenv("DCSHIFT_CATALOGUE", str(without(tmp_path, security_log={"soc": soc.soc.model_dump()})))
    built = build("security")
    assert built.outputs["contract"]["national"] is None
    relay = next(o for o in built.of("ConfigMap") if o.inputs["metadata"]["name"] == naming.LOG_RELAY)
    assert set(relay.inputs["data"]) == {"rsyslog.conf"}
    assert [each.inputs["metadata"]["name"] for each in built.of("StatefulSet")] == [naming.LOG_RELAY]
    assert "national" not in relay.inputs["data"]["rsyslog.conf"]
    policies = {o.inputs["metadata"]["name"] for o in build("platform").of("NetworkPolicy")}
    assert "allow-soc" in policies
    assert not policies & {"allow-national", "allow-to-connector", "allow-from-relay"}


@pytest.mark.parametrize(
    "bad",
    [{"address": "soc.example"}, {"address": "2001:db8::1"}, {"port": 0}, {"protocol": "udp"}, {"name": "soc example"}],
)
def test_an_end_that_no_policy_could_name_is_refused_with_its_line(bad: dict[str, Any], tmp_path: Path) -> None:
    soc = {"name": "soc.example", "address": "192.0.2.20", "port": 6514} | bad
    with pytest.raises(CatalogueError, match=f"soc.{next(iter(bad))}"):
        load(without(tmp_path, security_log={"soc": soc}))


# What runs


def test_the_agent_breaks_two_rules_and_no_more(stack: Stacks) -> None:
    agent = next(each for each in documents(stack("security")) if each["kind"] == "DaemonSet")
    pod = agent["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not pod["automountServiceAccountToken"]
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    hosted = {volume["name"] for volume in pod["volumes"] if "hostPath" in volume}
    writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
    assert hosted & writable == {"work"}, "its own notes, and nothing else of the node"


def test_neither_the_relay_nor_the_connector_holds_what_the_other_needs(stack: Stacks) -> None:
    """Whoever takes over the one program that speaks with the nation gets six fields, and no key of the whole log."""
    secrets, texts = {}, {}
    for each in documents(stack("security")):
        name = each["metadata"]["name"]
        if each["kind"] == "StatefulSet":
            volumes = each["spec"]["template"]["spec"]["volumes"]
            secrets[name] = {volume["secret"]["secretName"] for volume in volumes if "secret" in volume}
        if each["kind"] == "ConfigMap":
            texts[name] = each["data"]["rsyslog.conf"]
    assert secrets == {
        naming.LOG_RELAY: {naming.LOG_TLS, naming.SOC_TLS},
        naming.LOG_NATIONAL: {naming.LOG_NATIONAL_TLS, naming.NATIONAL_TLS},
    }
    assert "192.0.2.21" not in texts[naming.LOG_RELAY]
    assert "192.0.2.20" not in texts[naming.LOG_NATIONAL]


def test_no_key_lies_in_what_is_declared(stack: Stacks) -> None:
    for name in ("platform", "security"):
        for document in documents(stack(name)):
            assert document["kind"] != "Secret"
            assert "BEGIN" not in str(document)


def test_the_queue_holds_what_comes_in_72_hours_and_the_volume_holds_the_queues() -> None:
    log = load(CATALOGUE).province.security_log
    assert log
    found = log_relay.queue(log)
    assert found.lines == log.events_per_second * 72 * 3600
    assert found.mebibytes * 2**20 >= found.lines * 2048
    assert log_relay.volume_gibibytes(log) * 1024 > 2 * found.mebibytes


# Its certificates


def folders(tmp_path: Path, text: str = "one") -> dict[str, Path]:
    for name in log_keys.VARIABLES:
        (tmp_path / name).mkdir(exist_ok=True)
        for file in ("ca.crt", "tls.crt", "tls.key"):
            (tmp_path / name / file).write_text(f"{file} {text}")
    return {name: tmp_path / name for name in log_keys.VARIABLES}


def provided(api: FakeApi, given: dict[str, Path], now: datetime.datetime = NOW) -> list[bool]:
    log = load(CATALOGUE).province.security_log
    assert log
    return [done.made for _, done in log_keys.provide(Secrets(api), log, given, now)]


def test_certificates_are_made_once_kept_and_renewed_together_before_they_end(tmp_path: Path) -> None:
    api, given = FakeApi({naming.SECURITY_LOG, naming.LOG_AGENTS}), folders(tmp_path)
    assert provided(api, given) == [True, True, True]
    agent, relay = (api.secrets[each, naming.LOG_TLS] for each in (naming.LOG_AGENTS, naming.SECURITY_LOG))
    connector = api.secrets[naming.SECURITY_LOG, naming.LOG_NATIONAL_TLS]
    assert len({each["ca.crt"] for each in (agent, relay, connector)}) == 1
    assert len({each["tls.key"] for each in (agent, relay, connector)}) == 3
    assert provided(api, given) == [False, False, False]
    assert provided(api, given, NOW + datetime.timedelta(days=345)) == [True, False, False]
    assert provided(api, folders(tmp_path, "renewed"), NOW + datetime.timedelta(days=345)) == [False, True, True]
    # Kept, when nobody gives it again.
    assert provided(api, dict.fromkeys(given, tmp_path / "none"), NOW + datetime.timedelta(days=345)) == [False] * 3


def test_a_receivers_certificate_that_nobody_gave_is_asked_for_last(tmp_path: Path) -> None:
    api = FakeApi({naming.SECURITY_LOG, naming.LOG_AGENTS})
    with pytest.raises(InfraError) as told:
        provided(api, {name: tmp_path / name for name in log_keys.VARIABLES})
    assert told.value.code == "log-certificate-missing"
    assert "DCSHIFT_SOC_TLS" in told.value.next
    assert (naming.SECURITY_LOG, naming.LOG_TLS) in api.secrets
