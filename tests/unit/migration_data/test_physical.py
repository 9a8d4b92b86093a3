"""What a physical move decides without a server: orders, findings, its folder; each refusal touches nothing."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from migration.errors import BlockedError, StepFailed, UsageError
from migration.model.words import Finding, Severity
from migration.movers import physical_findings as findings
from migration.movers import place
from migration.movers.cluster import setting
from migration.movers.link import Endpoint
from migration.movers.physical_facts import DatabaseRow, InDatabase, SourceFacts, TargetFacts
from migration.movers.physical_job import MovedDatabase, PhysicalJob
from migration.movers.physical_rare import Rare, Tried
from migration.movers.postgres import main
from migration.movers.rare_objects import Dictionary
from migration.movers.releases import released
from migration.movers.standby import place as place_in_log


def job(folder: Path, **other: Any) -> PhysicalJob:
    source = Endpoint(host="db1", database="postgres", user="dcshift_portal", password=SecretStr("pass:word"))
    words = {
        "system": "portal", "token": 2, "source": source, "feed": source, "folder": folder,
        "databases": (MovedDatabase(database="portal", system="portal", owner="portal", name="dcshift_portal"),),
        "source_binaries": Path("/nowhere/15"), "target_binaries": Path("/nowhere/18"),
        "server_user": None,
    }  # fmt: skip
    return PhysicalJob(**{**words, **other})


SETTINGS = {
    "wal_level": "logical", "max_replication_slots": "10", "max_wal_senders": "10", "max_slot_wal_keep_size": "-1",
    "max_prepared_transactions": "0", "data_checksums": "off", "block_size": "8192", "wal_block_size": "8192",
    "segment_size": "131072", "wal_segment_size": "16777216", "max_identifier_length": "63", "max_index_keys": "32",
}  # fmt: skip
ROW = DatabaseRow("portal", False, True, "UTF8", "C", "C", 1_000, "c", None)
INSIDE = InDatabase(True, True, ("plpgsql",), (), (), ("default",), (), Rare())
SOURCE = SourceFacts(
    version="PostgreSQL 15.18 on x86_64-pc-linux-gnu, compiled by gcc", number=150018, standby=False,
    superuser="postgres", slots_used=0, prepared_transactions=0, subscriptions=(), tablespaces=(), settings_changed=(),
    settings=SETTINGS, databases=(ROW, dataclasses.replace(ROW, name="postgres")), sorters={"c": "2.31"},
    inside={"portal": INSIDE},
)  # fmt: skip
TARGET = TargetFacts(
    number=180006, extensions=frozenset({"plpgsql", "amcheck"}), collations=frozenset({"default"}),
    sorters={"c": "2.31"}, tls=True, libraries_missing={}, options_unknown=(), settings=SETTINGS,
    rare=Tried(frozenset({"function pg_catalog.born()"}), {"a to b": "anywhere"}, {}, {}),
)  # fmt: skip


def codes(found: Any) -> set[tuple[str, str]]:
    return {(str(finding.severity), finding.code) for finding in found}


def test_a_source_in_order_has_no_finding_but_that_its_slots_keep_log(tmp_path: Path) -> None:
    assert codes(findings.of_source(job(tmp_path), SOURCE)) == {("warning", "source-keeps-log")}
    assert codes(findings.of_target(job(tmp_path), SOURCE, TARGET)) == set()


DICTIONARY = Dictionary("public.d", "pg_catalog.synonym", "synonyms = 'x'", True)


def rare(**found: Any) -> dict[str, Any]:
    return {"inside": {"portal": dataclasses.replace(INSIDE, rare=Rare(**found))}}


def tried(**said: Any) -> dict[str, Any]:
    return {"rare": dataclasses.replace(TARGET.rare, **said)}


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"number": 120022}, "physical-version"),
        ({"standby": True}, "physical-standby"),
        ({"settings": {**SETTINGS, "wal_level": "replica"}}, "source-wal-level"),
        ({"slots_used": 9}, "source-slots"),
        ({"settings": {**SETTINGS, "max_wal_senders": "2"}}, "source-senders"),
        ({"prepared_transactions": 1}, "source-prepared-transactions"),
        ({"tablespaces": ("fast",)}, "physical-tablespaces"),
        ({"subscriptions": ("from_elsewhere",)}, "physical-subscriptions"),
        ({"databases": (*SOURCE.databases, dataclasses.replace(ROW, name="other"))}, "physical-other-databases"),
        ({"inside": {"portal": dataclasses.replace(INSIDE, prepared=False)}}, "physical-not-prepared"),
        ({"inside": {"portal": dataclasses.replace(INSIDE, may_publish=False)}}, "physical-not-prepared"),
        ({"inside": {"portal": dataclasses.replace(INSIDE, cannot_follow=("public.log",))}}, "table-cannot-follow"),
    ],
)
def test_what_forbids_it_at_the_source_is_named(changed: dict[str, Any], code: str, tmp_path: Path) -> None:
    found = codes(findings.of_source(job(tmp_path), dataclasses.replace(SOURCE, **changed)))
    assert ("blocker", code) in found


@pytest.mark.parametrize(
    ("source", "target", "code"),
    [
        ({}, {"number": 140020}, "target-older"),
        ({"number": 150020}, {"number": 180004}, "physical-minor"),
        ({}, {"settings": {**SETTINGS, "block_size": "32768"}}, "physical-format"),
        ({}, {"settings": {**SETTINGS, "data_checksums": "on"}}, "physical-format"),
        ({}, {"tls": False}, "physical-no-tls"),
        ({}, {"extensions": frozenset({"plpgsql"})}, "physical-amcheck"),
        ({"inside": {"portal": dataclasses.replace(INSIDE, extensions=("postgis",))}}, {}, "target-extensions"),
        ({"inside": {"portal": dataclasses.replace(INSIDE, collations=("C.UTF-8",))}}, {}, "target-collations"),
        ({}, {"libraries_missing": {"$libdir/x": "no such file"}}, "physical-libraries"),
        ({}, {"options_unknown": ("pg_attver",)}, "column-options"),
        (rare(members=("op",)), {}, "operator-families"),
        (rare(in_catalogue=("function pg_catalog.f()", "function pg_catalog.born()")), {}, "objects-in-pg-catalog"),
        (rare(contexts=(("a to b", "where it is asked for"), ("c to d", "anywhere"))), {}, "casts-changed"),
        (rare(labels=(("guard", "table t"),)), tried(providers_refused={"guard": "not loaded"}), "security-labels"),
        (rare(dictionaries=(DICTIONARY,)), tried(files_missing={DICTIONARY: "no file"}), "text-search-files"),
    ],
)
def test_what_the_new_server_would_refuse_is_named(
    source: dict[str, Any], target: dict[str, Any], code: str, tmp_path: Path
) -> None:
    here, there = dataclasses.replace(SOURCE, **source), dataclasses.replace(TARGET, **target)
    assert ("blocker", code) in codes(findings.of_target(job(tmp_path), here, there))


def test_rare_objects_that_the_new_server_knows_forbid_nothing(tmp_path: Path) -> None:
    here = dataclasses.replace(
        SOURCE,
        **rare(
            in_catalogue=("function pg_catalog.born()",),
            contexts=(("a to b", "anywhere"), ("c to d", "anywhere")),
            labels=(("guard", "table t"),),
            dictionaries=(DICTIONARY,),
        ),
    )
    assert codes(findings.of_target(job(tmp_path), here, TARGET)) == {("warning", "text-search-files")}


def test_a_machine_that_lacks_programs_room_and_locale_hears_all_of_it_at_once(tmp_path: Path) -> None:
    arm = dataclasses.replace(SOURCE, version="PostgreSQL 15.18 (Debian) on armv7l-unknown-linux-gnueabihf, by gcc")
    arm = dataclasses.replace(arm, databases=(dataclasses.replace(ROW, collate="xx_XX.UTF-8"),))
    found = list(findings.of_machine(job(tmp_path), arm, free_bytes=1_000))
    assert codes(found) == {
        ("blocker", code) for code in ("physical-programs", "physical-machine", "physical-room", "physical-locale")
    }
    with pytest.raises(BlockedError) as told:
        findings.refuse(job(tmp_path), found)
    assert all(finding.code in told.value.why for finding in found)


def test_warnings_forbid_nothing_and_are_returned(tmp_path: Path) -> None:
    warning = Finding(Severity.WARNING, "collation-c-utf8", "portal", "it sorts by C.UTF-8", "nothing")
    assert findings.refuse(job(tmp_path), [warning]) == ["collation-c-utf8 (portal): it sorts by C.UTF-8"]


def test_c_utf8_and_another_library_are_told_before_they_can_break_an_index(tmp_path: Path) -> None:
    one = dataclasses.replace(SOURCE, databases=(dataclasses.replace(ROW, collate="C.UTF-8"),))
    assert ("warning", "collation-c-utf8") in codes(findings.of_source(job(tmp_path), one))
    column = dataclasses.replace(SOURCE, inside={"portal": dataclasses.replace(INSIDE, collations=("C.utf8",))})
    assert ("warning", "collation-c-utf8") in codes(findings.of_source(job(tmp_path), column))
    other = dataclasses.replace(TARGET, sorters={"c": "2.41"})
    assert codes(findings.of_target(job(tmp_path), SOURCE, other)) == {("warning", "collation-version")}


@pytest.mark.parametrize(
    ("target", "source", "before"),
    [(180006, 150018, False), (180001, 150015, False), (180000, 130023, True), (170007, 130023, False),
     (180004, 150020, True), (190000, 150018, None)],
)  # fmt: skip
def test_minor_releases_are_compared_by_the_day_they_came_out(target: int, source: int, before: bool | None) -> None:
    assert released(target, source) is before


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"source": {"tls_mode": "prefer"}}, "without TLS"),
        ({"feed": {"tls_mode": "disable"}}, "without TLS"),
        ({"folder": "relative"}, "absolute"),
        ({"folder": "/" + "long" * 30}, "short enough for a socket"),
        ({"databases": [{"database": d, "system": d, "owner": d, "name": "one"} for d in ("a", "b")]}, "share a name"),
        ({"workers": 0}, "workers"),
        ({"system": "Portal; rm"}, "system"),
    ],
)
def test_an_order_that_cannot_be_meant_is_refused_and_no_password_repeated(
    changed: dict[str, Any], says: str, *, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    order = json.loads(job(tmp_path).as_json())
    for name, value in changed.items():
        order[name] = {**order[name], **value} if isinstance(value, dict) else value
    file = tmp_path / "job.json"
    file.write_text(json.dumps(order))
    assert main(["--engine", "physical", "--job", str(file)]) == UsageError.exit_code
    told = json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert told["code"] == "bad-job"
    assert says in told["why"]
    assert "pass:word" not in json.dumps(told)


def test_the_stream_may_come_by_a_socket_without_tls(tmp_path: Path) -> None:
    feed = Endpoint(host="/run/pg", database="x", user="y", password=SecretStr(""), tls_mode="disable")
    assert job(tmp_path, feed=feed).feed.host == "/run/pg"
    with pytest.raises(ValidationError):
        job(tmp_path, feed=feed.model_copy(update={"host": "10.0.0.1"}))


def test_undo_of_the_logical_engine_is_somebody_elses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--undo", "--job", "-"]) == UsageError.exit_code
    assert "dcshift rollback" in capsys.readouterr().out


# The folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "pg"


def test_a_folder_is_claimed_before_use_and_gone_at_the_end(folder: Path) -> None:
    with place.held(job(folder)) as before:
        assert before.phase == place.COPYING
        place.make(job(folder))
        (folder / "data" / "PG_VERSION").write_text("18")
        place.clear(job(folder))
        assert sorted(entry.name for entry in folder.iterdir()) == [place.MARKER, "dcshift.lock"]
        place.remove(job(folder))
    assert not folder.exists()


@pytest.mark.parametrize("kind", ["a file", "a link", "another system's", "a broken marker", "no folder"])
def test_a_folder_of_others_is_never_touched(kind: str, *, folder: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "ledger").write_text("citizens")
    if kind == "a link":
        folder.symlink_to(elsewhere)
    elif kind == "no folder":
        folder.write_text("a file in its place")
    else:
        folder.mkdir()
        (folder / "ledger").write_text("citizens")
    if kind == "another system's":
        place.write(folder, place.Marker("feedback", 1, place.COPYING, "postgres"))
    if kind == "a broken marker":
        (folder / place.MARKER).write_text("{}")
    before = sorted((str(p), p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file())
    with pytest.raises(StepFailed) as told, place.held(job(folder)):
        pass
    assert told.value.code == "target-folder-foreign"
    with pytest.raises(StepFailed):
        place.clear(job(folder))
    assert sorted((str(p), p.read_bytes()) for p in tmp_path.rglob("*") if p.is_file()) == before


def test_a_turn_that_is_over_and_a_second_mover_are_refused(folder: Path) -> None:
    with place.held(job(folder, token=3)), pytest.raises(StepFailed) as second, place.held(job(folder, token=4)):
        pass
    assert second.value.code == "mover-at-work"
    with pytest.raises(StepFailed) as stale, place.held(job(folder, token=2)):
        pass
    assert stale.value.code == "turn-over"
    assert place.read(folder) == place.Marker("portal", 3, place.COPYING, "")


def test_a_folder_left_between_two_writes_is_ours_still(folder: Path) -> None:
    folder.mkdir()
    with (folder / "dcshift.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    (folder / f"{place.MARKER}.new").write_text("{")
    with place.held(job(folder)):
        assert place.read(folder) is not None


def test_clearing_takes_the_promise_of_a_copy_away_first(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with place.held(job(folder)):
        place.write(folder, place.Marker("portal", 2, place.FOLLOWING, "postgres"))
        place.make(job(folder))
        monkeypatch.setattr(os, "rmdir", lambda *_, **__: (_ for _ in ()).throw(OSError("killed here")))
        with pytest.raises(OSError, match="killed here"):
            place.clear(job(folder))
        marker = place.read(folder)
        assert marker is not None
        assert marker.phase == place.COPYING


def test_a_setting_is_written_as_the_server_reads_it() -> None:
    assert setting("a", r"it's C:\x") == "a = 'it''s C:\\\\x'\n"


def test_places_in_the_log_are_numbers() -> None:
    assert place_in_log("1/0") - place_in_log("0/FFFFFFFF") == 1
