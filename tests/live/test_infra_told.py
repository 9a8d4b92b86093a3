"""What the declared data centre tells of itself, on the real cluster: measurements, alerts, who read what."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.target import layout, receivers
from tests.support import dashboards
from tests.support.lab_centre import answered, kubectl, secret, tell_folders
from tests.support.measured import Measured, until
from tests.support.project import Project

pytestmark = [pytest.mark.live, pytest.mark.timeout(3600)]


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
    until("two answers more", lambda: all(counted().get(each, 0) > before.get(each, 0) for each in more), 240)


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
        kubectl("-n", "cnpg-system", "rollout", "status", operator, "--timeout=300s")
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
        assert time.monotonic() - began < 240, "the event did not arrive"
        time.sleep(0.2)
    print(f"known to both receivers {time.monotonic() - began:.1f} s after it was done")
    key = secret("httt-portal-app", "portal-web")["secret_key"]
    told = soc.read_text(errors="replace") + nation.read_text(errors="replace")
    assert key not in told
    assert base64.b64encode(key.encode()).decode() not in told
    assert "break-glass" not in nation.read_text()
