"""Law 6: catalogue, source or target changed since the plan, or the calendar forbids it: refuse with a finding."""

from __future__ import annotations

import dataclasses
import datetime
import zoneinfo
from collections.abc import Callable
from pathlib import Path

import pytest

from catalogue.province import Blackout, Holiday, Window
from catalogue.target import TargetContract, written_hash
from migration import checks, store
from migration.errors import UsageError
from migration.model.inventory import Inventory
from migration.model.words import Finding, Severity
from migration.store import Pinned
from tests.support.examples import NOW, catalogue, contracts, example_plan, inventory

PORTAL = catalogue().system("portal")


def _inventory(change: Callable[[dict[str, object]], None]) -> Inventory:
    content = inventory().model_dump(mode="json")
    change(content)
    return Inventory.model_validate(content)


def _contract(**changes: object) -> TargetContract:
    made = contracts()["portal"].model_copy(update=changes)
    return made.model_copy(update={"hash": written_hash(made)})


def _codes(findings: list[Finding], severity: Severity = Severity.BLOCKER) -> set[str]:
    assert all(found.next for found in findings)
    return {found.code for found in findings if found.severity is severity}


def test_nothing_changed_gives_no_finding() -> None:
    plan, now = example_plan(), catalogue()
    assert checks.catalogue_findings(plan, now.hash) == []
    assert checks.inventory_findings(inventory(), inventory(), now.systems, NOW) == []
    assert checks.contract_findings(plan, now, contracts(), dict(contracts()), plan.systems()) == []
    assert checks.decision_findings(now.systems, NOW) == []
    assert checks.window_findings(now.province, NOW) == []


def test_a_changed_catalogue_blocks() -> None:
    assert _codes(checks.catalogue_findings(example_plan(), "0" * 64)) == {"catalogue-changed"}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["systems"]["portal"]["database"].update(server_version_number=140001),
        lambda c: c["systems"]["portal"]["database"].update(collation="C"),
        lambda c: c["systems"]["portal"]["database"]["tables"][0].update(replica_identity="n"),
        lambda c: c["systems"]["portal"]["files"]["uploads"].update(path="/elsewhere"),
        lambda c: c["systems"]["portal"]["jobs"].clear(),
        lambda c: c["systems"]["portal"]["web"].update(service="other.service"),
        lambda c: c["systems"].pop("portal"),
        lambda c: c["hosts"]["db1"].update(address="203.0.113.9"),
        lambda c: c["hosts"].pop("db1"),
    ],
)
def test_a_changed_source_blocks(change: Callable[[dict[str, object]], None]) -> None:
    findings = checks.inventory_findings(inventory(), _inventory(change), [PORTAL], NOW)
    assert _codes(findings) == {"source-changed"}


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["systems"]["portal"]["database"].update(size_bytes=1, longest_transaction_seconds=9.0),
        lambda c: c["systems"]["portal"]["jobs"]["reconcile-payments"].update(armed=False),
        lambda c: c["systems"]["portal"]["web"].update(active=False),
        lambda c: c.update(observed_at="2026-11-24T11:00:00Z"),
    ],
)
def test_what_changes_while_a_source_serves_or_moves_does_not_block(
    change: Callable[[dict[str, object]], None],
) -> None:
    assert checks.inventory_findings(inventory(), _inventory(change), [PORTAL], NOW) == []


def test_a_source_that_cannot_be_followed_blocks() -> None:
    bad = _inventory(lambda c: c["systems"]["portal"]["database"].update(wal_level="replica"))  # type: ignore[index]
    assert _codes(checks.inventory_findings(bad, bad, [PORTAL], NOW)) == {"wal-level-not-logical"}


def test_an_old_survey_an_ending_certificate_and_a_wrong_clock_warn() -> None:
    bad = _inventory(lambda c: c["hosts"]["db1"].update(clock_offset_seconds=60.0))  # type: ignore[index]
    found = checks.inventory_findings(bad, bad, [PORTAL], NOW + 360 * 86_400)
    assert _codes(found, Severity.WARNING) == {"inventory-old", "certificate-ends-soon", "clock-off"}
    assert _codes(found) == set()


@pytest.mark.parametrize(
    ("contract", "code"),
    [
        (_contract(system="feedback"), "contract-of-another-system"),
        (_contract(environment="production"), "contract-of-another-environment"),
        (_contract(level=2), "contract-of-another-level"),
        (_contract(norms="vn-2026"), "contract-of-other-norms"),
        (_contract(limits={"cpu": "9"}), "contract-changed"),
        (contracts()["portal"].model_copy(update={"limits": {"cpu": "9"}}), "contract-altered"),
        ("the stack was not applied", "contract-missing"),
    ],
)
def test_a_target_that_is_not_the_planned_one_blocks(contract: TargetContract | str, code: str) -> None:
    found = checks.contract_findings(example_plan(), catalogue(), contracts(), {"portal": contract}, ["portal"])
    assert code in _codes(found)


def test_what_was_changed_at_the_target_is_told_with_both_values() -> None:
    web = contracts()["portal"].web.model_copy(update={"replicas": 7})
    target = {"portal": _contract(web=web)}
    (found,) = checks.contract_findings(example_plan(), catalogue(), contracts(), target, ["portal"])
    assert found.code == "contract-changed"
    assert found.what == "the target was changed after this plan was made: web.replicas 1 → 7"


def test_an_approval_warns_before_its_end_and_blocks_after_it() -> None:
    end = 1_835_308_800.0  # 2028-02-28
    assert _codes(checks.decision_findings([PORTAL], end), Severity.WARNING) == {"decision-ends-soon"}
    assert _codes(checks.decision_findings([PORTAL], end + 5 * 86_400)) == {"decision-expired"}


@pytest.mark.parametrize(("hour_utc", "blocked"), [(14, False), (17, False), (20, False), (21, True), (10, True)])
def test_a_freeze_begins_only_in_a_window_of_the_provinces_own_time(hour_utc: int, blocked: bool) -> None:
    night = Window(name="night", start="21:00", end="04:00")  # 14:00 to 21:00 UTC in Asia/Ho_Chi_Minh
    province = catalogue().province.model_copy(update={"windows": [night]})
    moment = NOW - NOW % 86_400 + hour_utc * 3600
    assert checks.blocks(checks.window_findings(province, moment)) is blocked


@pytest.mark.parametrize(
    ("moment", "closed"),
    [
        ("2027-02-05T23:59", None),
        ("2027-02-06T00:00", "Tết"),
        ("2027-02-06T23:59", "Tết"),
        ("2027-02-07T00:00", None),
        ("2027-05-22T22:00", None),
        ("2027-05-23T00:30", "election"),
        ("2027-05-24T22:00", "election"),
        ("2027-05-25T23:59", "election"),
        ("2027-05-26T00:00", None),
    ],
)
@pytest.mark.parametrize(
    "windows", [(), (("night", "21:00", "04:00"), ("early", "23:59", "00:31"))], ids=["any", "some"]
)
def test_no_freeze_begins_on_a_closed_day_of_the_provinces_own_time(
    moment: str, closed: str | None, windows: tuple[tuple[str, str, str], ...]
) -> None:
    province = catalogue().province.model_copy(
        update={
            "windows": [Window(name=name, start=start, end=end) for name, start, end in windows],
            "holidays": [Holiday(name="Tết", date=datetime.date(2027, 2, 6))],
            "blackouts": [Blackout(name="election", first=datetime.date(2027, 5, 23), last=datetime.date(2027, 5, 25))],
        }
    )
    zone = zoneinfo.ZoneInfo(province.time_zone)
    assert zone.utcoffset(datetime.datetime.now()), "a day that is another one in UTC"
    now = datetime.datetime.fromisoformat(moment).replace(tzinfo=zone).timestamp()
    found = checks.window_findings(province, now)
    assert [each.code for each in found] == (["day-closed"] if closed else [])
    assert not closed or (closed in found[0].what and moment[:10] in found[0].what)


def test_a_plan_file_that_somebody_edited_is_refused(tmp_path: Path) -> None:
    pinned = Pinned(example_plan(), catalogue(), inventory(), contracts())
    path = store.save(tmp_path, pinned)
    assert store.load(tmp_path) == dataclasses.replace(pinned)
    assert path.stat().st_mode & 0o777 == 0o444
    text = path.read_text(encoding="utf-8")
    for find, replace in (
        ("hold requests and let", "refuse requests and let"),
        ("wal_level", "wal_levels"),
        ('"name": "logical"', '"name": "physical"'),
        ('"write_hold_max": "10s"', '"write_hold_max": "99s"'),
        ('"server_version": "13.23"', '"server_version": "13.24"'),
        ('"environment": "lab",\n   "system"', '"environment": "lob",\n   "system"'),
    ):
        assert find in text, find
        path.chmod(0o644)
        path.write_text(text.replace(find, replace), encoding="utf-8")
        with pytest.raises(UsageError) as refused:
            store.load(tmp_path)
        assert refused.value.code == "plan-damaged"
