"""The declared data centre on the real cluster: up, nothing to do, served, and each part reaches its own alone."""

from __future__ import annotations

import json
import ssl

import pytest

from infra.reachability import __main__ as reachability
from lab.addresses import NODE_ADDRESS
from lab.images import image_name
from tests.support import wire
from tests.support.lab_centre import (
    STACKS,
    answered,
    answers,
    asked_by,
    asked_plainly,
    connects,
    kubectl,
    provide,
    second_client,
    secret,
    served_leaf,
)
from tests.support.measured import until
from tests.support.project import Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]


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
    until("the new certificate at the door", lambda: shown("dichvucong.khanhhoa.example") not in (before, b""), 240)
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
        until("a client that is refused", lambda: 429 in burst("portal"), 240)
        assert burst("portal") == [429] * 4
        with second_client() as other:
            assert burst("portal", other) == [200, 200, 429, 429]
        assert burst("feedback") == [200] * 4
    finally:
        set_limit(average=declared["average"], burst=declared["burst"], period=None)
    until("the declared limit again", lambda: burst("portal") == [200] * 4, 240)


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
                    expected, judge, lambda paths: wire.sent(found, addresses, paths), seconds_max=240
                )
            datagrams = wire.proved_of_datagrams(declared, expected, port=4444)
            with wire.listening(found.values(), sorted({port for _, _, port in datagrams}), "UDP"):
                unlike = wire.settled(
                    datagrams,
                    wire.certain(datagrams, declared),
                    lambda paths: wire.sent(found, addresses, paths, "UDP"),
                    seconds_max=240,
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
    until("a new pool", lambda: uid() not in ("", before), 240)
    kubectl("-n", "httt-portal-data", "rollout", "status", "deployment/portal-db-pooler", "--timeout=300s")
    until("an answer from the database", lambda: answered(centre, "portal", "/readyz") == 200, 240)
