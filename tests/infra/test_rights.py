"""What RBAC gives each identity, read from the declared objects alone: all that its stack needs, and nothing beside."""

from __future__ import annotations

from typing import Any

import pytest

from infra import naming
from infra.rights import kinds
from infra.rights.identities import everyone
from infra.rights.rules import SEE, changing, rule
from infra.rules import facts, keeping
from infra.rules.book import named as named_rule
from infra.rules.judge import Breach, Item, breaches
from infra.rules.subjects import STATEFUL_SET, Kind
from migration.adapters.drill_room import scratch_name
from tests.support.centres import production
from tests.support.declared import GROUNDS, STACKS, built_once
from tests.support.rights import Rights, resource_of

Document = dict[str, Any]
SYSTEMS = ("portal", "feedback")
CHANGES = ("create", "update", "patch", "delete")
PLACES = [f"httt-{system}-{tier}" for system in SYSTEMS for tier in ("app", "data")]
OF_THE_LOG = [naming.SECURITY_LOG, naming.LOG_AGENTS]
EVERYWHERE = [*PLACES, *OF_THE_LOG, "cnpg-system", "kube-system", "dcshift-identities", "dcshift-edge", "default", ""]


@pytest.fixture(scope="module")
def rights() -> Rights:
    return Rights.of([each for stack in ("platform", *GROUNDS) for each in documents(stack)])


def documents(stack: str) -> list[Document]:
    return [dict(item.document) for item in production().stacks[stack]]


def declared(stack: str) -> set[tuple[str, str]]:
    return {(d["apiVersion"], d["kind"]) for d in documents(stack)}


def named(table: tuple[Kind, ...]) -> set[tuple[str, str]]:
    return {(kind.api_version, kind.name) for kind in table}


@pytest.mark.parametrize(
    ("stack", "table"),
    [
        ("platform", kinds.PLATFORM),
        ("ground.portal", kinds.TENANCY),
        ("ground.feedback", kinds.TENANCY),
        ("data", (*kinds.DATA, *kinds.FILES)),
        ("security", kinds.SECURITY),
        ("portal", kinds.SYSTEM),
        # Without workers.
        ("feedback", tuple(kind for kind in kinds.SYSTEM if kind is not STATEFUL_SET)),
    ],
)
def test_each_table_of_kinds_is_what_the_stack_declares(stack: str, table: tuple[Kind, ...]) -> None:
    assert declared(stack) == named(table), "infra/rights/kinds.py must say what the stack declares, no more, no less"


def test_the_platform_declares_nothing_of_any_system_but_its_pipelines_account() -> None:
    everything = {(d["kind"], d["metadata"].get("namespace"), d["metadata"]["name"]) for d in documents("platform")}
    assert {each for each in everything if "httt-" in f"{each[1:]}"} == set()
    assert {each for each in everything if any(system in f"{each[1:]}" for system in SYSTEMS)} == {
        ("ServiceAccount", naming.IDENTITIES, naming.deploy_identity(system)) for system in SYSTEMS
    }


@pytest.mark.parametrize(
    ("stack", "identity"),
    [
        ("platform", "platform"),
        ("ground.portal", "platform"),
        ("ground.feedback", "platform"),
        ("data", "data"),
        ("security", "security"),
        ("portal", "deploy-portal"),
        ("feedback", "deploy-feedback"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "create", "update", "patch"])
def test_an_identity_may_apply_every_object_of_its_stack(stack: str, identity: str, verb: str, rights: Rights) -> None:
    for document in documents(stack):
        assert rights.may_do(identity, verb, document), document["metadata"]


def test_tenancy_may_apply_the_ground_of_every_system_but_no_role(rights: Rights) -> None:
    for document in (each for ground in GROUNDS for each in documents(ground)):
        assert document["metadata"].get("namespace", document["metadata"]["name"]) in PLACES
        assert rights.may_do("tenancy", "patch", document) is (document["kind"] != "Role"), document["metadata"]


@pytest.mark.parametrize(
    "identity", ["deploy-portal", "deploy-feedback", "data", "security", "tenancy", "platform", "auditor"]
)
def test_nobody_but_break_glass_has_a_right_to_delete_what_holds_data(identity: str, rights: Rights) -> None:
    for kind in keeping.KEPT:
        for place in EVERYWHERE:
            for verb in ("delete", "deletecollection"):
                assert not rights.may(identity, verb, f"{kind.group}/{kind.resource}", place, "httt-portal-data")
    assert rights.may("break-glass", "delete", "/namespaces", "", "httt-portal-data")


@pytest.mark.parametrize("identity", ["deploy-portal", "data", "security", "tenancy", "auditor"])
def test_these_read_no_secret_and_become_nobody_else(identity: str, rights: Rights) -> None:
    for place in EVERYWHERE:
        for verb in ("get", "list", "watch", *CHANGES):
            assert not rights.may(identity, verb, "/secrets", place, "portal-db-app")
        assert not rights.may(identity, "create", "/serviceaccounts/token", place, "break-glass")
        for resource in ("exec", "attach", "portforward", "proxy", "ephemeralcontainers"):
            for verb in ("get", "create"):
                assert not rights.may(identity, verb, f"/pods/{resource}", place, "portal-db-1")
        for resource in ("users", "groups", "serviceaccounts"):
            assert not rights.may(identity, "impersonate", f"/{resource}", place, "break-glass")
        for resource in ("roles", "clusterroles"):
            group = "rbac.authorization.k8s.io"
            assert not rights.may(identity, "escalate", f"{group}/{resource}", place, "deployer")
            assert not rights.may(identity, "bind", f"{group}/{resource}", place, "deployer")


def test_a_pipeline_changes_its_own_app_namespace_alone_and_only_the_declared_accounts(rights: Rights) -> None:
    for kind in kinds.ALL:
        for place in EVERYWHERE:
            for verb in CHANGES:
                allowed = rights.may("deploy-portal", verb, f"{kind.group}/{kind.resource}", place, "portal-web")
                if allowed:
                    assert place == "httt-portal-app"
                    assert kind in kinds.SYSTEM
    for verb in ("update", "patch", "delete"):
        assert not rights.may("deploy-portal", verb, "/serviceaccounts", "httt-portal-app", naming.MIGRATOR)


@pytest.mark.parametrize("identity", ["deploy-portal", "deploy-feedback", "data", "security", "auditor", "drill"])
def test_doors_and_limits_of_requests_are_changed_by_who_keeps_the_ground_alone(identity: str, rights: Rights) -> None:
    """A pipeline that wrote its own limit would have none, and with a Gateway of its own it would choose its zone."""
    for place in EVERYWHERE:
        for verb in CHANGES:
            for resource in ("traefik.io/middlewares", "gateway.networking.k8s.io/gateways"):
                assert not rights.may(identity, verb, resource, place, naming.RATE_LIMIT)
    assert rights.may("tenancy", "patch", "traefik.io/middlewares", "httt-portal-app", naming.RATE_LIMIT)


@pytest.mark.parametrize("identity", ["deploy-portal", "tenancy", "data", "security", "auditor"])
def test_no_other_kind_of_the_gateways_own_is_anybodys(identity: str, rights: Rights) -> None:
    """By an IngressRoute a request would reach any Service without a Gateway, its zone or a limit."""
    for resource in ("ingressroutes", "ingressroutetcps", "traefikservices", "tlsoptions", "serverstransports"):
        for verb in CHANGES:
            assert not rights.may(identity, verb, f"traefik.io/{resource}", "httt-portal-app", "any")


def test_no_identity_but_platform_and_break_glass_has_a_wildcard(rights: Rights) -> None:
    for identity in ("deploy-portal", "deploy-feedback", "data", "security", "tenancy", "auditor"):
        for found, _ in rights.rules_of(identity):
            assert "*" not in "".join([*found["apiGroups"], *found["resources"], *found["verbs"]])


def test_the_auditor_reads_every_declared_kind_and_changes_none(rights: Rights) -> None:
    for stack in STACKS:
        for document in documents(stack):
            assert rights.may_do("auditor", "list", document)
            for verb in CHANGES:
                assert not rights.may_do("auditor", verb, document)


def test_a_drill_makes_and_removes_databases_in_its_own_room_alone(rights: Rights) -> None:
    clusters = "postgresql.cnpg.io/clusters"
    for verb in ("create", "delete"):
        places = [place for place in [*EVERYWHERE, naming.DRILLS] if rights.may("drill", verb, clusters, place, "x")]
        assert places == [naming.DRILLS]
    for kind in (*kinds.ALL, *kinds.OF_THE_CLUSTER):
        resource = f"{kind.group}/{kind.resource}"
        changed = [(v, p) for p in PLACES for v in CHANGES if rights.may("drill", v, resource, p, "portal-db")]
        assert changed == ([("create", place) for place in PLACES] if kind is kinds.BACKUPS else []), kind


def test_a_drill_reads_the_logins_and_authorities_that_it_needs_and_no_other_secret(rights: Rights) -> None:
    wanted = {f"{system}-db-{what}" for system in SYSTEMS for what in ("migration", "ca")}
    for place in EVERYWHERE:
        others = ("portal-db-app", "portal-web", "portal-s3-uploads", "portal-s3-backup", "edge-tls")
        for name in (*others, *wanted):
            assert rights.may("drill", "get", "/secrets", place, name) is (name in wanted)
            for verb in ("list", "watch", *CHANGES):
                assert not rights.may("drill", verb, "/secrets", place, name)
    assert rights.may("drill", "get", "/secrets", naming.DRILLS, naming.scratch_ca_secret("portal"))
    assert not rights.may("drill", "get", "/secrets", naming.DRILLS, naming.restore_secret("portal"))


def test_what_a_drill_wrote_down_is_written_by_it_alone_and_read_by_who_keeps_the_databases(rights: Rights) -> None:
    maps, ours = "/configmaps", naming.drill_record("portal")
    assert ours == scratch_name("portal"), "both sides must mean the same object"
    for verb in ("get", "patch"):
        assert rights.may("drill", verb, maps, naming.DRILLS, ours)
        assert not rights.may("drill", verb, maps, naming.DRILLS, "kube-root-ca.crt")
    assert rights.may("drill", "create", maps, naming.DRILLS, ours)
    assert rights.may("data", "get", maps, naming.DRILLS, ours)
    for verb in CHANGES:
        assert not rights.may("data", verb, maps, naming.DRILLS, ours)
        assert not [place for place in EVERYWHERE if rights.may("drill", verb, maps, place, ours)]
    for verb in ("delete", "list", "watch", "update"):
        assert not rights.may("drill", verb, maps, naming.DRILLS, ours)


def test_the_marks_of_a_drill_are_made_anew_by_it_alone(rights: Rights) -> None:
    for mark in (naming.drill_equal("portal"), naming.drill_failed("feedback")):
        may = [verb for verb in (*SEE, *CHANGES) if rights.may("drill", verb, "/configmaps", naming.DRILLS, mark)]
        assert may == ["get", "create", "delete"]
        for identity in ("data", "tenancy", "security", "deploy-portal"):
            for verb in CHANGES:
                assert not rights.may(identity, verb, "/configmaps", naming.DRILLS, mark)


def test_people_have_each_identity_by_a_group_of_their_own(rights: Rights) -> None:
    settings = built_once("platform").settings
    assert settings
    found = everyone(settings.catalogue.systems)
    assert len({each.people for each in found}) == len(found) == 9
    for each in found:
        assert rights.rules_of(each.name) == rights.rules_of(each.people, kind="Group"), each.name
        assert rights.rules_of(each.name)


def test_a_right_by_name_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="without a name"):
        rule("", ["namespaces"], ["delete"], [])


def test_what_holds_data_is_given_without_deletion() -> None:
    verbs = {resource: found["verbs"] for found in changing(kinds.ALL) for resource in found["resources"]}
    for kind in kinds.ALL:
        assert ("delete" in verbs[kind.resource]) is not keeping.keeps(kind)


def test_the_admission_policy_names_the_same_kinds_and_opens_only_when_data_may_be_destroyed() -> None:
    found = keeping.policy(production().facts)["spec"]
    deleted = {
        (each["apiGroups"][0], each["resources"][0])
        for each in found["matchConstraints"]["resourceRules"]
        if each["operations"] == ["DELETE"]
    }
    assert deleted == {(kind.group, kind.resource) for kind in keeping.KEPT}
    assert "|| false ||" in found["validations"][0]["expression"]
    told = built_once("platform", {"dataMayBeDestroyed": "true"}).settings
    assert told
    assert "|| true ||" in keeping.policy(facts.of(told))["spec"]["validations"][0]["expression"]


def test_every_declared_kind_is_known_by_its_resource() -> None:
    for stack in STACKS:
        for document in documents(stack):
            assert resource_of(document)


@pytest.mark.parametrize(
    ("account", "places"),
    [
        ("deploy-portal", {"httt-portal-app"}),
        ("deploy-feedback", {"httt-feedback-app"}),
        ("data", {"httt-portal-data", "httt-feedback-data"}),
        ("platform", set()),
        ("security", set()),
        ("break-glass", set()),
    ],
)
def test_an_identity_gets_rights_only_where_it_works(account: str, places: set[str]) -> None:
    subject = {"kind": "ServiceAccount", "name": account, "namespace": naming.IDENTITIES}
    bindings = [
        d | {"subjects": [subject]} for ground in GROUNDS for d in documents(ground) if d["kind"] == "RoleBinding"
    ]
    refused = {str(breach).partition("/")[0].rpartition(" ")[2] for breach in broken(bindings)}
    assert refused == set(PLACES) - places


def broken(bindings: list[Document]) -> list[Breach]:
    asked = [named_rule("binding-to-own-accounts")]
    return list(breaches([Item(each) for each in bindings], production().facts, asked))
