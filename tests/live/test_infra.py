"""The declared data centre on the real cluster: up, nothing to do, drift seen, rights as meant, data kept."""

from __future__ import annotations

import base64
import contextlib
import json
import math
import os
import re
import signal
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from obstore.store import S3Store

from infra.errors import InfraError
from infra.object_store import Keys, ObjectStore
from infra.reachability import __main__ as reachability
from infra.safety import asking
from lab import target
from lab.addresses import NODE_ADDRESS, S3_ENDPOINT, S3_REGION
from lab.images import image_name
from lab.target import kernel, layout, receivers, rules
from tests.support import dashboards, wire
from tests.support.declared import built_once
from tests.support.lab_centre import (
    answered,
    answers,
    asked_plainly,
    connects,
    kubectl,
    provide,
    second_client,
    secret,
    served_leaf,
)
from tests.support.measured import Measured, until
from tests.support.play import bucket
from tests.support.project import ROOT, Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(1500)]
STACKS = ("platform", "data", "portal", "feedback")
KEPT_VOLUMES = ROOT / "docs" / "kept-volumes.md"


@pytest.fixture(scope="module")
def centre(standing_target: None, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The whole data centre declared by `pulumi up`, in the order of the README."""
    project = Project.make(tmp_path_factory.mktemp("project"), layout.KUBECONFIG)
    for stack in STACKS:
        if stack == "data":
            provide(project)
        project.run("stack", "init", stack)
        if stack == "platform":
            tell_folders(project, stack)
        project.up(stack)
    return project


def tell_folders(project: Project, stack: str) -> None:
    for key, folder in (("auditLog", layout.AUDIT), ("podLogs", layout.POD_LOGS), ("agentState", layout.AGENT)):
        project.run("config", "set", key, str(folder), stack=stack)


@pytest.fixture
def security_log(centre: Project) -> Iterator[None]:
    """The stack `security`, sending to both receivers of the lab."""
    receivers.up()
    centre.run("stack", "init", "security")
    tell_folders(centre, "security")
    centre.up("security")
    yield
    centre.run("destroy", "--yes", "--skip-preview", stack="security")
    # Kept on purpose by what made it: in it may lie what nobody has received.
    kubectl("-n", "dcshift-security", "delete", "pvc", "--all")
    receivers.down()


@pytest.mark.parametrize("stack", STACKS)
def test_a_second_up_has_nothing_to_do(centre: Project, stack: str) -> None:
    centre.up(stack, "--expect-no-changes")


@pytest.mark.parametrize("stack", STACKS)
def test_the_cluster_is_what_the_state_says(centre: Project, stack: str) -> None:
    centre.run("refresh", "--yes", "--skip-preview", "--expect-no-changes", stack=stack)


def test_providing_again_makes_nothing(centre: Project) -> None:
    assert "made" not in provide(centre)


def test_the_contract_in_the_cluster_is_the_exported_one(centre: Project) -> None:
    kept = kubectl("-n", "httt-portal-app", "get", "configmap", "dcshift-contract", "-o", "json")
    assert json.loads(json.loads(kept)["data"]["contract.json"]) == centre.outputs("portal")["contract"]


@pytest.mark.parametrize("system", ["portal", "feedback"])
def test_the_gateway_serves_each_system_under_its_public_name(centre: Project, system: str) -> None:
    assert answered(centre, system) == 200


@pytest.mark.parametrize("system", ["portal", "feedback"])
@pytest.mark.parametrize("path", ["/", "/healthz", "/a/b%20c?q=%C4%91&page=2"])
def test_who_asks_without_tls_is_sent_to_the_same_page_with_it(centre: Project, system: str, path: str) -> None:
    answer = asked_plainly(centre, system, path)
    host = centre.outputs(system)["contract"]["web"]["host"]
    assert (answer.status_code, answer.headers["Location"]) == (301, f"https://{host}{path}")
    assert "Set-Cookie" not in answer.headers, "the application itself must not have been asked"


def test_what_citizens_are_shown_is_the_certificate_of_the_secret(centre: Project) -> None:
    kept = secret("dcshift-edge", "edge-tls")
    assert ssl.PEM_cert_to_DER_cert(kept["tls.crt"]) == served_leaf("dichvucong.khanhhoa.example")


def test_a_secret_of_the_edge_that_was_lost_is_made_again_and_served(centre: Project) -> None:
    before = served_leaf("dichvucong.khanhhoa.example")
    kubectl("-n", "dcshift-edge", "delete", "secret", "edge-tls")
    until("the new certificate at the door", lambda: shown("dichvucong.khanhhoa.example") not in (before, b""), 60)
    test_what_citizens_are_shown_is_the_certificate_of_the_secret(centre)


def shown(host: str) -> bytes:
    """Return what is shown under a name, nothing while it is a certificate of the gateway's own making."""
    try:
        return served_leaf(host)
    except ssl.SSLError:
        return b""


def test_a_greedy_client_is_refused_and_neither_another_client_nor_another_system_feels_it(centre: Project) -> None:
    def set_limit(**numbers: object) -> None:
        patch = json.dumps({"spec": {"rateLimit": numbers}})
        kubectl("-n", "httt-portal-app", "patch", "middlewares.traefik.io", "rate-limit", "--type=merge", "-p", patch)

    def burst(system: str, client_address: str | None = None) -> list[int]:
        return answers(centre, system, 4, client_address=client_address)

    kept = kubectl("-n", "httt-portal-app", "get", "middlewares.traefik.io", "rate-limit", "-o", "json")
    declared = json.loads(kept)["spec"]["rateLimit"]
    assert burst("portal") == burst("feedback") == [200] * 4
    # By the minute, so that a slow machine earns nobody a request.
    set_limit(average=2, burst=2, period="1m")
    try:
        until("a client that is refused", lambda: 429 in burst("portal"), 30)
        assert burst("portal") == [429] * 4
        with second_client() as other:
            assert burst("portal", other) == [200, 200, 429, 429]
        assert burst("feedback") == [200] * 4
    finally:
        set_limit(average=declared["average"], burst=declared["burst"], period=None)
    until("the declared limit again", lambda: burst("portal") == [200] * 4, 30)


def test_a_system_reaches_its_own_database_and_files_and_nothing_else(centre: Project) -> None:
    def portal_reaches(host: str, port: int) -> bool:
        return connects("httt-portal-app", "portal-web", "portal", host, port)

    assert portal_reaches("portal-db-pooler.httt-portal-data.svc.cluster.local", 5432)
    assert not portal_reaches("portal-db-rw.httt-portal-data.svc.cluster.local", 5432)
    assert portal_reaches(NODE_ADDRESS, 8333)
    assert not portal_reaches("feedback-db-rw.httt-feedback-data.svc.cluster.local", 5432)
    assert not portal_reaches(NODE_ADDRESS, 6443)
    assert not portal_reaches("feedback-web.httt-feedback-app.svc.cluster.local", 80)


def test_packets_go_where_the_network_proof_says_and_nowhere_else(centre: Project) -> None:
    """Every ordered pair of pods of the centre, at every port that one of them names and at one that none does."""
    declared = reachability.centre(centre.folder)
    outside = {"object-store": (NODE_ADDRESS, 8333), "api-server": (NODE_ADDRESS, 6443)}
    expected = wire.proved(declared, {name: port for name, (_, port) in outside.items()}, more_ports=(80, 443, 4444))
    kubectl("create", "namespace", "live-elsewhere")
    try:
        with wire.stations(declared, kubectl, image_name("probe"), {"elsewhere": "live-elsewhere"}) as found:
            addresses = {name: each.address for name, each in found.items()} | {
                name: address for name, (address, _) in outside.items()
            }
            with wire.listening(found.values(), sorted({port for _, name, port in expected if name in found})):
                judge = wire.certain(expected, declared)
                otherwise = wire.settled(
                    expected, judge, lambda paths: wire.sent(found, addresses, paths), seconds_max=60
                )
            datagrams = wire.proved_of_datagrams(declared, expected, port=4444)
            with wire.listening(found.values(), sorted({port for _, _, port in datagrams}), "UDP"):
                unlike = wire.settled(
                    datagrams,
                    wire.certain(datagrams, declared),
                    lambda paths: wire.sent(found, addresses, paths, "UDP"),
                    seconds_max=60,
                )
    finally:
        kubectl("delete", "namespace", "live-elsewhere", "--wait=false")
    assert not otherwise, "what was seen there is not what is proved"
    assert not unlike, (
        "what was seen of datagrams is not what is proved: a listener that hears itself hears nobody else"
    )
    only_tcp = [path for path, is_open in datagrams.items() if not is_open and expected.get(path)]
    assert only_tcp, "no path is open to connections and closed to datagrams"
    print(f"{len(expected)} paths tried, {sum(expected.values())} of them proved open; {len(datagrams)} by datagrams")


def addresses(chosen: str) -> set[str]:
    """Return the addresses of the portal's data pods with a label."""
    said = kubectl("-n", "httt-portal-data", "get", "pods", "-l", chosen, "-o", "jsonpath={.items[*].status.podIP}")
    return set(said.split())


def asked_by(system: str, query: str, **more: str) -> list[str]:
    """Return the one row that a system's web pod gets for a query, with its own login from its own environment."""
    code = f"import psycopg2; c = psycopg2.connect('', **{more!r}).cursor(); c.execute({query!r}); print(*c.fetchone())"
    words = ("exec", f"deploy/{system}-web", "--", f"/opt/{system}/venv/bin/python", "-c", code)
    return kubectl("-n", f"httt-{system}-app", *words, check=False).split("\n")[0].split()


def test_a_database_without_a_pool_takes_nobody_unencrypted(centre: Project) -> None:
    encrypted = "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
    assert asked_by("feedback", encrypted) == ["True"]
    assert not asked_by("feedback", encrypted, sslmode="disable")
    # Refused by what is declared, and by nothing before it.
    query = "select type || ' ' || auth_method from pg_hba_file_rules"
    query += " where type like 'host%' and 'all' = any(database) and 'all' = any(user_name) order by line_number"
    words = ("exec", "feedback-db-1", "-c", "postgres", "--", "psql", "-XAtc", query)
    said = kubectl("-n", "httt-feedback-data", *words).splitlines()
    assert said == ["hostnossl reject", "host scram-sha-256"]


def test_the_application_is_answered_by_its_database_through_the_pool_and_encrypted_all_the_way(
    centre: Project,
) -> None:
    pool = addresses("cnpg.io/poolerName=portal-db-pooler")
    assert len(pool) == 1
    query = """select host(a.client_addr), s.ssl, split_part(split_part(a.application_name, ' - ', 2), ':', 1)
        from pg_stat_activity a join pg_stat_ssl s using (pid) where pid = pg_backend_pid()"""
    sender, encrypted, web = asked_by("portal", query)
    assert {sender} == pool
    assert encrypted == "True"
    # The database still learns which pod asks.
    listed = kubectl("-n", "httt-portal-app", "get", "pods", "-o", "jsonpath={.items[*].status.podIP}").split()
    assert web in listed
    assert not asked_by("portal", "select 1", sslmode="disable"), "the pool takes nobody unencrypted"
    assert not asked_by("portal", "show version", dbname="pgbouncer"), "nobody from outside administers the pool"


def test_every_session_of_the_application_comes_from_the_pool(centre: Project) -> None:
    assert answered(centre, "portal", "/readyz") == 200
    query = "select distinct host(client_addr) from pg_stat_activity where usename = 'portal'"
    said = kubectl("-n", "httt-portal-data", "exec", "portal-db-1", "-c", "postgres", "--", "psql", "-XAtc", query)
    assert set(said.split()) == addresses("cnpg.io/poolerName=portal-db-pooler")


def test_what_the_pool_needs_lies_in_no_database_of_the_application(centre: Project) -> None:
    """A schema proof, a dump or a restore of the application's database must not meet it."""

    def functions(database: str) -> str:
        query = "select count(*) from pg_proc where proname = 'user_search'"
        words = ("psql", "-XAtc", query, database)
        return kubectl("-n", "httt-portal-data", "exec", "portal-db-1", "-c", "postgres", "--", *words).strip()

    assert (functions("postgres"), functions("portal")) == ("1", "0")


def test_a_pool_that_was_deleted_comes_back_by_itself(centre: Project) -> None:
    def uid() -> str:
        words = ("get", "deployment", "portal-db-pooler", "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
        return kubectl("-n", "httt-portal-data", *words)

    before = uid()
    kubectl("-n", "httt-portal-data", "delete", "deployment", "portal-db-pooler")
    until("a new pool", lambda: uid() not in ("", before), 60)
    kubectl("-n", "httt-portal-data", "rollout", "status", "deployment/portal-db-pooler", "--timeout=100s")
    until("an answer from the database", lambda: answered(centre, "portal", "/readyz") == 200, 60)


@pytest.fixture(scope="module")
def measured(centre: Project) -> Measured:
    return Measured(kubectl)


def unanswered(measured: Measured) -> list[str]:
    targets = measured.prometheus("targets?state=active")["activeTargets"]
    return [f"{each['labels']}: {each['lastError']}" for each in targets if each["health"] != "up"]


def test_everything_declared_is_measured_and_nobody_is_called(measured: Measured) -> None:
    # Targets were declared minutes before they were there: those alerts must end.
    until("an end of all alerts", lambda: not measured.firing())
    # A pod that came back has another address, and the one that goes is asked until it has gone.
    until("an answer of every target", lambda: not unanswered(measured))
    declared = {
        *(("postgres", system) for system in ("portal", "feedback")),
        ("pgbouncer", "portal"),
        *((job, "platform") for job in ("postgres-operator", "gateway", "certificates", "prometheus", "alertmanager")),
    }

    def asked() -> set[tuple[str, str]]:
        targets = measured.prometheus("targets?state=active")["activeTargets"]
        return {(each["labels"]["job"], each["labels"]["system"]) for each in targets}

    # A pool that was deleted is asked again once its new pod is known.
    until("a question to everything declared", lambda: asked() >= declared)
    assert asked() == declared
    rules = [rule for group in measured.prometheus("rules")["groups"] for rule in group["rules"]]
    assert {rule["health"] for rule in rules} == {"ok"}, [rule.get("lastError") for rule in rules]


@pytest.mark.parametrize(
    "series",
    [
        "cnpg_collector_up",
        "cnpg_pg_stat_archiver_last_archived_time",
        "cnpg_pg_stat_archiver_last_failed_time",
        "cnpg_pg_stat_archiver_seconds_since_last_archival",
        'cnpg_collector_pg_wal_archive_status{value="ready"}',
        "cnpg_collector_last_available_backup_timestamp",
        "cnpg_pg_replication_lag",
        "cnpg_backends_total",
        'cnpg_pg_settings_setting{name="max_connections"}',
        "cnpg_pg_database_size_bytes",
        'cnpg_collector_pg_wal{value="size"}',
    ],
)
def test_what_alerts_ask_of_a_database_is_there(measured: Measured, series: str) -> None:
    """An alert over a series that nobody exports would be silent for ever."""
    assert set(measured.by_system(f"count by (system) ({series})")) == {"portal", "feedback"}


def test_what_the_gateway_answers_is_counted_for_the_system(centre: Project, measured: Measured) -> None:
    def counted() -> dict[str, float]:
        return measured.by_system('sum by (system) (traefik_router_requests_total{code="200",system!="platform"})')

    before = counted()
    for system in ("portal", "feedback"):
        assert answered(centre, system) == 200
    more = ("portal", "feedback")
    until("two answers more", lambda: all(counted().get(each, 0) > before.get(each, 0) for each in more), 60)


def test_every_panel_of_the_dashboards_shows_something_of_the_portal(centre: Project, measured: Measured) -> None:
    """A panel of a series that nobody exports would be empty for ever."""
    found = kubectl("-n", "dcshift-monitoring", "get", "configmap", "-l", "grafana_dashboard=1", "-o", "json")
    queries = list(dashboards.asked(dashboards.read(json.loads(found)["items"]), "portal"))
    assert len({query.dashboard for query in queries}) == 3

    def is_empty(query: dashboards.Asked) -> bool:
        whose = "platform" if query.panel in dashboards.OF_THE_PLATFORM else "portal"
        return math.isnan(measured.by_system(query.expression).get(whose, math.nan))

    left = [query for query in queries if (query.panel, query.number) not in dashboards.WITHOUT_AN_ANSWER]
    end = time.monotonic() + 600  # the first log file is archived after five minutes
    while left and time.monotonic() < end:
        answered(centre, "portal")  # without requests there is neither a time to answer nor a part that failed
        time.sleep(3)
        left = [query for query in left if is_empty(query)]
    assert not left, "what these ask is exported by nobody"


def test_a_target_that_goes_away_is_told_to_alertmanager_and_is_over_when_it_is_back(measured: Measured) -> None:
    operator, gone = "deployment/cnpg-controller-manager", ("TargetDown", "platform", "postgres-operator")
    kubectl("-n", "cnpg-system", "scale", operator, "--replicas=0")
    try:
        until("the alert at Alertmanager", lambda: gone in measured.called())
        assert measured.firing() == {gone}
    finally:
        kubectl("-n", "cnpg-system", "scale", operator, "--replicas=1")
        kubectl("-n", "cnpg-system", "rollout", "status", operator, "--timeout=100s")
    until("its end", lambda: not measured.firing())


def test_who_read_a_secret_is_known_outside_the_centre_in_seconds(centre: Project, security_log: None) -> None:
    centre.up("security", "--expect-no-changes")
    identity = "system:serviceaccount:dcshift-identities:break-glass"
    kubectl("-n", "httt-portal-app", "get", "secret", "portal-web", "-o", "json", "--as", identity)
    began, soc, nation = time.monotonic(), layout.SECURITY / "soc.log", layout.SECURITY / "national.log"

    def lines(file: Path) -> list[str]:
        return file.read_text(errors="replace").splitlines() if file.exists() else []

    def known() -> bool:
        return any(identity in line and '"name":"portal-web"' in line and '"verb":"get"' in line for line in lines(soc))

    while not (known() and any('"kind":"get secrets"' in line and '"portal"' in line for line in lines(nation))):
        assert time.monotonic() - began < 30, "the event did not arrive within 30 s"
        time.sleep(0.2)
    print(f"known to both receivers {time.monotonic() - began:.1f} s after it was done")
    key = secret("httt-portal-app", "portal-web")["secret_key"]
    told = soc.read_text(errors="replace") + nation.read_text(errors="replace")
    assert key not in told
    assert base64.b64encode(key.encode()).decode() not in told
    assert "break-glass" not in nation.read_text()


def test_each_systems_keys_open_its_own_bucket_only(centre: Project) -> None:
    admin = json.loads(layout.S3_CREDENTIALS.read_text())
    store = ObjectStore(S3_ENDPOINT, S3_REGION, Keys(admin["access_key"], admin["secret_key"]))
    for own, other in (("portal", "feedback"), ("feedback", "portal")):
        found = secret(f"httt-{own}-app", f"{own}-s3-uploads")
        keys = Keys(found["access_key"], found["secret_key"])
        assert store.opens(f"khanhhoa-lab-{own}-uploads", keys)
        assert not store.opens(f"khanhhoa-lab-{other}-uploads", keys)


def test_the_migrations_role_may_subscribe_and_act_as_the_owner_and_no_more(centre: Project) -> None:
    query = (
        "select rolsuper, rolcreaterole, rolcreatedb, rolreplication, "
        "pg_has_role(oid, 'pg_create_subscription', 'member'), pg_has_role(oid, 'portal', 'member') "
        "from pg_roles where rolname = 'dcshift_migration'"
    )
    said = kubectl("-n", "httt-portal-data", "exec", "portal-db-1", "-c", "postgres", "--", "psql", "-XAtc", query)
    assert said.strip() == "f|f|f|t|t|t"


def test_no_secret_of_the_cluster_is_in_any_state(centre: Project) -> None:
    values = [
        value
        for system in ("portal", "feedback")
        for namespace, name in (
            (f"httt-{system}-data", f"{system}-db-app"),
            (f"httt-{system}-data", f"{system}-db-migration"),
            (f"httt-{system}-app", f"{system}-web"),
            (f"httt-{system}-app", f"{system}-s3-uploads"),
        )
        for key, value in secret(namespace, name).items()
        if key != "username"
    ]
    assert len(values) == 10
    state = "".join(file.read_text() for file in sorted((centre.folder / "state").rglob("*.json")))
    assert "httt-portal-app" in state
    assert not [value for value in values if value in state or base64.b64encode(value.encode()).decode() in state]


def test_a_change_by_hand_is_shown_and_never_overwritten_unseen(centre: Project) -> None:
    def set_pods(value: str) -> None:
        patch = json.dumps({"spec": {"hard": {"pods": value}}})
        kubectl("-n", "httt-portal-app", "patch", "resourcequota", "quota", "--type=merge", "-p", patch)

    before = json.loads(kubectl("-n", "httt-portal-app", "get", "resourcequota", "quota", "-o", "json"))
    set_pods("99")
    try:
        shown = centre.run("refresh", "--preview-only", "--diff", stack="platform").text
        assert '=> "99"' in shown
        assert "~ 1 to update" in shown
        refused = centre.run("up", "--yes", "--skip-preview", "--refresh", stack="platform", check=False)
        assert refused.code != 0
        assert "field .spec.hard.pods is owned by kubectl-patch" in refused.text
    finally:
        set_pods(before["spec"]["hard"]["pods"])
    centre.run("refresh", "--yes", "--skip-preview", stack="platform")
    centre.up("platform", "--expect-no-changes")


def test_the_stack_arms_the_jobs_once_it_is_told_that_the_target_serves(centre: Project) -> None:
    def suspended() -> list[str]:
        said = kubectl("-n", "httt-feedback-app", "get", "cronjobs", "-o", "jsonpath={.items[*].spec.suspend}")
        return said.split()

    assert suspended() == ["true", "true"]
    centre.run("config", "set", "serves", "target", stack="feedback")
    centre.up("feedback")
    assert suspended() == ["false", "false"]
    centre.run("config", "set", "serves", "source", stack="feedback")
    centre.up("feedback")
    assert suspended() == ["true", "true"]


def test_what_somebody_else_made_is_refused_and_left_alone(centre: Project) -> None:
    centre.run("destroy", "--yes", "--skip-preview", stack="feedback")
    kubectl("-n", "httt-feedback-app", "create", "serviceaccount", "feedback-web")
    refused = centre.up("feedback", check=False)
    assert refused.code != 0
    assert "already exists and was not created by this resource" in refused.text
    kubectl("-n", "httt-feedback-app", "delete", "serviceaccount", "feedback-web")
    centre.up("feedback")


def uid(system: str) -> str:
    where = ("-n", f"httt-{system}-data", "get", "cluster", f"{system}-db")
    return kubectl(*where, "-o", "jsonpath={.metadata.uid}")


def in_database(system: str, query: str) -> str:
    """Ask a system's database inside its own pod, as its superuser."""
    words = ("exec", f"{system}-db-1", "-c", "postgres", "--", "psql", "-XAtqc", query, system)
    return kubectl("-n", f"httt-{system}-data", *words).strip()


def files_of(system: str) -> S3Store:
    """Return the bucket of a system's files, with the application's own keys."""
    return bucket(f"khanhhoa-lab-{system}-uploads", secret(f"httt-{system}-app", f"{system}-s3-uploads"))


SAYS = "select said from kept_row"


@pytest.fixture(scope="module")
def kept(centre: Project) -> str:
    """Write a row and an object as the portal's own, and return what both say."""
    said = f"written-{time.time_ns()}"
    in_database("portal", f"set role portal; create table kept_row as select '{said}' as said")
    files_of("portal").put("kept/object", said.encode())
    return said


def test_destroying_a_system_keeps_its_rows_and_its_files(centre: Project, kept: str) -> None:
    before = uid("portal")
    centre.run("destroy", "--yes", "--skip-preview", stack="portal")
    assert "portal-web" not in kubectl("-n", "httt-portal-app", "get", "deployments", "-o", "name")
    assert uid("portal") == before
    centre.up("portal")
    # By the application that was made anew, with its own login and its own keys.
    assert asked_by("portal", SAYS) == [kept]
    assert files_of("portal").get("kept/object").bytes() == kept.encode()


def test_a_state_of_data_that_was_lost_is_made_anew_around_what_it_declared(centre: Project, kept: str) -> None:
    """Nobody edits a state: the objects carry the managers of their resources, and the stack takes them for its own."""
    before = {system: uid(system) for system in ("portal", "feedback")}
    centre.run("stack", "rm", "data", "--yes", "--force", "--preserve-config")
    assert {system: uid(system) for system in before} == before
    centre.run("stack", "init", "data")
    centre.up("data")
    assert {system: uid(system) for system in before} == before
    assert in_database("portal", SAYS) == kept
    centre.up("data", "--expect-no-changes")


def test_destroying_data_is_refused_and_changes_nothing(centre: Project, kept: str) -> None:
    refused = centre.run("destroy", "--yes", "--skip-preview", stack="data", check=False)
    assert refused.code != 0
    assert "protect" in refused.text
    clusters = kubectl("get", "clusters.postgresql.cnpg.io", "-A", "-o", "name").split()
    assert len(clusters) == 2
    assert in_database("portal", SAYS) == kept
    centre.up("data", "--expect-no-changes")


def test_data_goes_once_the_centre_is_told(centre: Project) -> None:
    # The platform first: its admission policy refuses to delete data until it is told.
    for stack in ("platform", "data"):
        centre.run("config", "set", "dataMayBeDestroyed", "true", stack=stack)
        centre.up(stack)
    # A database ends its work when nobody is left who asks it, or minutes later.
    kubectl("-n", "httt-feedback-app", "scale", "deployment/feedback-web", "--replicas=0")
    centre.run("destroy", "--yes", "--skip-preview", stack="data")
    assert kubectl("get", "clusters.postgresql.cnpg.io", "-A", "-o", "name") == ""


def test_what_a_deleted_database_kept_is_found_again_by_one_that_is_declared_anew(
    centre: Project, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(layout.KUBECONFIG))
    systems, declared = {"portal": "10Gi", "feedback": "5Gi"}, [built_once("data")]
    until("volumes that were let go", lambda: {phase(each) for each in systems} == {"Released"}, 240)
    volumes = {each: volume(each)["metadata"]["name"] for each in systems}
    with pytest.raises(InfraError) as refused:
        asking.refuse_emptied(declared)
    assert refused.value.code == "database-would-be-empty"
    assert all(f"volume {name} " in refused.value.why for name in volumes.values())
    for system, storage in systems.items():
        free = [{"op": "remove", "path": f"/spec/claimRef/{field}"} for field in ("uid", "resourceVersion")]
        kubectl("patch", "pv", volumes[system], "--type=json", "-p", json.dumps(free))
        claim = re.search(r"```yaml\n(.*?)```", KEPT_VOLUMES.read_text(encoding="utf-8"), re.DOTALL)
        assert claim, "the page shows a claim"
        said = claim[1].replace("VOLUME", volumes[system]).replace("portal", system).replace("10Gi", storage)
        kubectl("apply", "-f", "-", typed=said)
    until("volumes that have a claim again", lambda: {phase(each) for each in systems} == {"Bound"}, 120)
    asking.refuse_emptied(declared)
    centre.up("data")
    assert in_database("portal", SAYS) == kept
    assert {phase(each) for each in systems} == {"Bound"}
    assert {each: volume(each)["metadata"]["name"] for each in systems} == volumes


def phase(system: str) -> str:
    return str(volume(system)["status"]["phase"])


def volume(system: str) -> dict[str, Any]:
    """Return the volume whose claim is, or was, the first instance's of a system."""
    found = json.loads(kubectl("get", "pv", "-o", "json"))["items"]
    claims = [(each["spec"].get("claimRef", {}), each) for each in found]
    wanted = (f"httt-{system}-data", f"{system}-db-1")
    (one,) = [each for claim, each in claims if (claim.get("namespace"), claim.get("name")) == wanted]
    return dict(one)


def test_a_killed_target_leaves_nothing_behind(standing_target: None) -> None:
    """The last: with a whole centre in it."""
    for name in ("kube-apiserver", "etcd", "containerd", "kubelet", "kube-router"):
        pid = int((layout.PROCESSES / f"{name}.pid").read_text().split()[0])
        os.kill(pid, signal.SIGKILL)
    target.down()
    assert kernel.leftovers() == [] and rules.leftovers() == []
    commands = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it ended while we looked
            commands.append(path.read_bytes())
    assert not [words for words in commands if str(layout.PKI).encode() in words]  # as each program of the cluster has
    assert not layout.HOME.exists() and not layout.PROCESSES.exists()
    assert target.status().absent
