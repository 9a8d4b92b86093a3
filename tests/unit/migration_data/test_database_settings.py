"""Settings of a database and its roles, on two real servers: carried, compared, or named with what to declare."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.adapters import database_settings
from migration.model.words import Severity
from migration.movers import claim, link, settings
from migration.verification.settings import prove_settings
from tests.support import two_databases
from tests.support.moving import context
from tests.support.two_databases import Pair, Sides

PATH = '"$user", "Đất đai", public'
CARRIED = (
    f"ALTER DATABASE portal SET search_path = {PATH}",
    "ALTER DATABASE portal SET timezone = 'Asia/Ho_Chi_Minh'",
    "ALTER DATABASE portal SET statement_timeout = '30s'",
    "ALTER ROLE portal SET statement_timeout = 45000",
    "ALTER ROLE portal IN DATABASE portal SET datestyle = 'ISO, DMY'",
    "ALTER ROLE portal IN DATABASE portal SET application_name = 'it''s'",
)


@pytest.fixture
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, "CREATE TABLE t (id integer PRIMARY KEY)") as both:
        claim.take(both.target, "portal")
        yield both
        for side in (0, 1):
            both.as_admin(side, "ALTER ROLE portal RESET ALL", "ALTER ROLE portal IN DATABASE portal RESET ALL")
        both.as_admin(0, "ALTER ROLE reader IN DATABASE portal RESET ALL")


def found(sides: Sides) -> dict[str, tuple[Severity, str, str]]:
    contract = context(sides.pair[0].folder, None).contract.database
    findings = database_settings.between(sides.source, sides.target, contract)
    return {one.code: (one.severity, one.what, one.next) for one in findings}


def differences(sides: Sides) -> tuple[str, ...]:
    with sides.moment() as moment:
        proof = prove_settings(moment)
    assert proof.passed is not bool(proof.differences)
    return proof.differences


def test_the_owners_sessions_begin_alike_on_both_sides_and_the_way_back_takes_it_away(sides: Sides) -> None:
    sides.as_admin(0, *CARRIED)
    assert found(sides) == {}
    assert len(differences(sides)) == 5
    for _ in range(2):
        names = settings.carry(sides.source, sides.target, "portal")
        assert names == ["application_name", "datestyle", "search_path", "statement_timeout", "timezone"]
    assert differences(sides) == ()
    asked = "SELECT current_setting(n) FROM unnest(ARRAY['search_path','statement_timeout','application_name']) n"
    with sides.pair[1].admin("portal", "portal") as owner:
        assert [value for (value,) in owner.execute(asked).fetchall()][:2] == [PATH, "45s"]
    claim.clean(sides.target, "portal", "portal", "dcshift_portal")
    assert settings.effective(sides.target) == {}


def test_a_pool_that_may_remember_another_value_is_named_with_what_to_start_anew(sides: Sides) -> None:
    sides.as_admin(0, *CARRIED)

    def told() -> list[str]:
        contract = context(sides.pair[0].folder, None).contract.database.model_copy(
            update={"pooler": "portal-db-pooler"}
        )
        return [
            f"{one.severity.value} {one.what.partition(' ')[0]}: {one.next}"
            for one in database_settings.between(sides.source, sides.target, contract)
            if one.code == "setting-kept-by-pool"
        ]

    restart = "after the copy: kubectl -n httt-portal-data rollout restart deployment portal-db-pooler"
    expected = [f"{Severity.WARNING.value} {name}: {restart}" for name in ("datestyle", "timezone")]
    assert told() == expected
    settings.carry(sides.source, sides.target, "portal")
    assert told() == expected, "that both servers say the same does not mean that the pool does"


def test_a_setting_changed_during_the_move_is_found_and_carried_again(sides: Sides) -> None:
    sides.as_admin(0, *CARRIED)
    settings.carry(sides.source, sides.target, "portal")
    sides.as_admin(
        0, "ALTER DATABASE portal SET timezone = 'UTC'", "ALTER ROLE portal IN DATABASE portal RESET datestyle"
    )
    assert [line.split(":")[0] for line in differences(sides)] == ["setting datestyle", "setting timezone"]
    settings.carry(sides.source, sides.target, "portal")
    assert differences(sides) == ()


def test_what_somebody_declared_on_the_target_is_not_overwritten(sides: Sides) -> None:
    sides.as_admin(0, "ALTER DATABASE portal SET work_mem = '64MB'")
    sides.as_admin(1, "ALTER DATABASE portal SET work_mem = '4MB'")
    assert found(sides)["setting-differs"][:2] == (
        Severity.BLOCKER,
        "work_mem is 4MB on the target, 64MB at the source",
    )
    settings.carry(sides.source, sides.target, "portal")
    assert settings.effective(sides.target) == {"work_mem": "4MB"}
    assert differences(sides) == ("setting work_mem: source has 64MB, target 4MB",)
    sides.as_admin(1, "ALTER DATABASE portal RESET work_mem")


def test_what_may_not_be_carried_names_what_to_declare(sides: Sides) -> None:
    sides.as_admin(
        0,
        "ALTER DATABASE portal SET app.tenant = 'x''y'",
        "ALTER DATABASE portal SET log_min_duration_statement = 100",
        "ALTER DATABASE portal SET default_transaction_read_only = off",
        "ALTER ROLE reader IN DATABASE portal SET work_mem = '8MB'",
    )
    seen = found(sides)
    severity, what, next_step = seen["setting-unknown"]
    assert (severity, "app.tenant = x'y" in what) == (Severity.BLOCKER, True)
    assert """ALTER ROLE "portal" IN DATABASE "portal" SET app.tenant = 'x''y'""" in next_step
    assert seen["setting-not-carried"][0] is Severity.WARNING
    assert "reader" in seen["settings-of-other-roles"][1]
    assert differences(sides) == ("setting app.tenant: missing on the target (x'y)",)
    sides.as_admin(1, next_step.partition(": ")[2].partition(";")[0])
    assert "setting-unknown" not in found(sides)
    assert differences(sides) == ()


def test_a_value_that_the_target_does_not_know_is_said_before_the_copy(sides: Sides) -> None:
    sides.as_admin(
        0,
        "CREATE TEXT SEARCH CONFIGURATION public.tieng_viet (COPY = simple)",
        "ALTER DATABASE portal SET default_text_search_config = 'public.tieng_viet'",
    )
    assert found(sides) == {}, "it comes with the schema"
    sides.as_admin(
        0,
        "ALTER DATABASE portal SET lc_monetary = 'C'",
        "UPDATE pg_db_role_setting SET setconfig = array_replace(setconfig, 'lc_monetary=C', 'lc_monetary=xx_YY')",
    )
    severity, what, _ = found(sides)["setting-refused"]
    assert (severity, "lc_monetary = xx_YY" in what) == (Severity.BLOCKER, True)


def test_our_own_sessions_and_the_stream_keep_their_limits(sides: Sides) -> None:
    sides.as_admin(0, "ALTER DATABASE portal SET lock_timeout = '1ms'")
    settings.carry(sides.source, sides.target, "portal")
    with link.session(sides.pair[1].endpoint("portal", "dcshift_migration"), program="test") as mine:
        assert link.rows(mine, "SHOW lock_timeout") == [("0",)]
