"""What a drill writes down on a real API server is what the stack of the databases tells as its outputs."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config

from infra import naming
from infra.drills import measured
from infra.live import Live
from lab.api_server import ApiServer, api_server
from lab.errors import LabError
from lab.toolchain import tool_path
from migration.adapters.drill_record import DrillRecord
from migration.adapters.kubernetes import KubernetesCluster
from migration.errors import StepFailed

EQUAL: dict[str, Any] = {
    "system": "portal",
    "at_epoch_seconds": 1_790_000_000.4,
    "rto_seconds": 812.5,
    "rpo_seconds": 304.0,
    "differences": [],
    "missed": ["objectives.rto is 3s; measured were 812 s"],
}
DIFFERENT = {**EQUAL, "at_epoch_seconds": 1_792_678_400.0, "rto_seconds": 9.0, "differences": ["table public.a: 1 row"]}
MONTH = 35 * 24 * 3600
FIGURES = {
    "drill_at": "2026-09-21T14:13:20+00:00",
    "drill_rto_seconds": 812.5,
    "drill_rpo_seconds": 304.0,
    "drill_missed": ["objectives.rto is 3s; measured were 812 s"],
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    try:
        tool_path("kube-apiserver")
    except LabError as missing:
        pytest.skip(missing.why)
    with api_server(tmp_path_factory.mktemp("api-server")) as api:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": naming.DRILLS}}
        assert api.create("namespaces", namespace).status_code == 201
        yield api


def record(server: ApiServer, system: str) -> DrillRecord:
    return DrillRecord(system, naming.DRILLS, KubernetesCluster(server.kubeconfig))


def outputs(
    server: ApiServer, *systems: str, now: str = "2026-10-26T14:00:00+00:00"
) -> tuple[dict[str, Any], list[str]]:
    live = Live(config.new_client_from_config(str(server.kubeconfig)))
    return measured(live, dict.fromkeys(systems, MONTH), datetime.datetime.fromisoformat(now))


def test_the_figures_of_the_last_drill_that_was_equal_are_outputs(server: ApiServer) -> None:
    assert outputs(server, "portal", "feedback") == ({"portal": None, "feedback": None}, [])
    for _ in range(2):
        assert record(server, "portal").write(EQUAL) == "dcshift-drills/portal-drill"
    assert outputs(server, "portal", "feedback") == ({"portal": FIGURES, "feedback": None}, [])
    # One that found a difference is told, and what was good before it stays as old as it is.
    record(server, "portal").write(DIFFERENT)
    failed = {"drill_failed_at": "2026-10-22T14:13:20+00:00"}
    told = [
        "portal: the backup that was restored for the drill of 2026-10-22T14:13:20+00:00 was not equal to the database"
    ]
    assert outputs(server, "portal") == ({"portal": {**FIGURES, **failed}}, told)
    record(server, "portal").write(EQUAL)
    assert outputs(server, "portal") == ({"portal": FIGURES}, [])


def test_that_no_drill_was_equal_for_more_than_a_month_is_told(server: ApiServer) -> None:
    record(server, "old").write(EQUAL)
    assert outputs(server, "old", now="2026-10-26T14:13:00+00:00") == ({"old": FIGURES}, [])
    found, (told,) = outputs(server, "old", now="2026-10-26T14:14:00+00:00")
    assert found == {"old": FIGURES}
    since = "the last one was of 2026-09-21T14:13:20+00:00"
    assert told == f"old: no restore drill was equal in the last 35 days, {since}: dcshift drill"


def test_a_first_drill_that_found_a_difference_has_no_figures(server: ApiServer) -> None:
    record(server, "first").write(DIFFERENT)
    found, (told,) = outputs(server, "first")
    assert found == {"first": {"drill_failed_at": "2026-10-22T14:13:20+00:00"}}
    assert "was not equal" in told


@pytest.mark.parametrize(
    "data",
    [
        None,
        {"last": "no JSON"},
        {"last": "{}"},
        {"last": "[]"},
        {"last": '{"at_epoch_seconds": 1, "differences": []}', "last-equal": '{"at_epoch_seconds": "then"}'},
        {"last": '{"at_epoch_seconds": 1e300, "differences": [1]}'},
    ],
)
def test_what_is_no_record_is_told_and_stops_nobody(data: dict[str, str] | None, server: ApiServer) -> None:
    path = f"/api/v1/namespaces/{naming.DRILLS}/configmaps"
    server.client.delete(f"{path}/odd-drill")
    odd = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "odd-drill", "namespace": naming.DRILLS}}
    assert server.create("configmaps", {**odd, **({"data": data} if data else {})}).status_code == 201
    found, (told,) = outputs(server, "odd")
    assert found == {"odd": None}
    assert told.startswith("odd: dcshift-drills/odd-drill is no record of a drill: ")


def test_a_cluster_that_does_not_answer_is_told_and_stops_nobody(server: ApiServer, tmp_path: Path) -> None:
    elsewhere = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", server.kubeconfig.read_text(encoding="utf-8"))
    (tmp_path / "kubeconfig").write_text(elsewhere, encoding="utf-8")
    live = Live(config.new_client_from_config(str(tmp_path / "kubeconfig")))
    found, (told,) = measured(live, {"portal": MONTH}, datetime.datetime.now(datetime.UTC))
    assert found == {"portal": None}
    assert told.startswith("portal: the record of its restore drills was not read: ")


def test_what_was_written_and_reads_otherwise_is_a_failure(server: ApiServer, monkeypatch: pytest.MonkeyPatch) -> None:
    written = record(server, "lost")
    monkeypatch.setattr(written._maps, "merge", lambda *_: record(server, "lost").write(DIFFERENT))
    with pytest.raises(StepFailed) as told:
        written.write(EQUAL)
    assert told.value.code == "target-object-differs"


def marks(server: ApiServer, system: str) -> dict[str, str]:
    """Return what stands beside a record, by its name, with the object's own identity: one made anew has another."""
    found = server.client.get(f"/api/v1/namespaces/{naming.DRILLS}/configmaps").json()["items"]
    wanted = (naming.drill_equal(system), naming.drill_failed(system))
    named = {each["metadata"]["name"]: each["metadata"]["uid"] for each in found}
    return {name.rpartition("-")[2]: named[name] for name in wanted if name in named}


def test_each_drill_that_was_equal_makes_its_mark_anew_for_its_age_is_all_that_monitoring_sees(
    server: ApiServer,
) -> None:
    record(server, "marked").write(EQUAL)
    first = marks(server, "marked")
    assert first.keys() == {"equal"}
    record(server, "marked").write(EQUAL)
    assert marks(server, "marked").keys() == {"equal"}
    assert marks(server, "marked") != first


def test_a_drill_that_failed_is_marked_until_one_was_equal_and_leaves_the_age_of_the_good_one(
    server: ApiServer,
) -> None:
    record(server, "failing").write(EQUAL)
    good = marks(server, "failing")
    record(server, "failing").write(DIFFERENT)
    bad = marks(server, "failing")
    assert bad.keys() == {"equal", "failed"}
    assert bad["equal"] == good["equal"]
    # One that did not even become a database is a failure, too; since when, is what must stay.
    record(server, "failing").failed("backup-not-restored: after 3600 s it was still: Setting up primary")
    assert marks(server, "failing") == bad
    record(server, "failing").write(EQUAL)
    assert marks(server, "failing").keys() == {"equal"}
    record(server, "failing").failed("log-not-archived: after 3600 s")
    assert marks(server, "failing").keys() == {"equal", "failed"}


@pytest.mark.parametrize(("method", "mark"), [("create", "equal"), ("delete", "failed")])
def test_a_mark_that_does_not_stand_as_it_was_left_is_a_failure(
    method: str, mark: str, server: ApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    record(server, method).write(DIFFERENT)
    written = record(server, method)
    really = getattr(written._maps, method)

    def lose(name: str, *data: dict[str, str]) -> None:
        if not name.endswith(f"-{mark}"):
            really(name, *data)

    monkeypatch.setattr(written._maps, method, lose)
    with pytest.raises(StepFailed) as told:
        written.write(EQUAL)
    assert told.value.code == "target-object-differs"
    assert f"{method}-drill-{mark}" in told.value.what
    assert "failed" in marks(server, method), "whoever could not say that it is well is not told to be"
