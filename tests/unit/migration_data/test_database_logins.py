"""What belongs to a whole server, planted on two real ones: no copy carries it, so it is named."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from migration.model.words import Severity
from tests.support import two_databases
from tests.support.findings import found, planted
from tests.support.two_databases import Pair, Sides

ROLES = ("clerk", "clerks", "outsider")


@pytest.fixture(scope="module")
def sides(pair: Pair) -> Iterator[Sides]:
    with two_databases.made(pair, "SET ROLE portal; CREATE TABLE t (id integer PRIMARY KEY)") as both:
        both.as_admin(0, "CREATE ROLE clerk LOGIN PASSWORD 'x'", "CREATE ROLE clerks", "CREATE ROLE outsider LOGIN")
        both.as_admin(1, "CREATE ROLE clerk", "CREATE ROLE clerks")
        try:
            yield both
        finally:
            for side, roles in ((0, ROLES), (1, ROLES[:2])):
                both.as_admin(side, *(f"DROP OWNED BY {role}" for role in roles))
                both.as_admin(side, *(f"DROP ROLE {role}" for role in roles))


def warned(sides: Sides) -> dict[str, str]:
    seen = found(sides)
    assert {one.severity for one in seen.values()} <= {Severity.WARNING}
    assert all(one.next for one in seen.values())
    return {code: one.what for code, one in seen.items()}


@pytest.mark.parametrize("right", ["SELECT ON t", "CONNECT ON DATABASE portal"])
def test_whoever_may_use_the_database_and_cannot_log_in_there_is_named(right: str, sides: Sides) -> None:
    assert warned(sides) == {}
    with planted(sides, f"GRANT {right} TO clerk", f"REVOKE {right} FROM clerk"):
        assert "clerk" in warned(sides)["logins-not-carried"]
        with planted(sides, "ALTER ROLE clerk LOGIN", "ALTER ROLE clerk NOLOGIN", side=1):
            assert warned(sides) == {}


def test_whoever_is_in_the_database_now_is_named(sides: Sides) -> None:
    with planted(sides, "ALTER ROLE outsider PASSWORD 'x'", "SELECT 1"):
        sides.as_admin(0, f"ALTER ROLE outsider PASSWORD '{sides.pair[0].password.replace(chr(39), chr(39) * 2)}'")
        with sides.pair[0].admin("portal", "outsider"):
            assert "outsider" in warned(sides)["logins-not-carried"]


@pytest.mark.parametrize(
    ("plant", "named"),
    [
        ("GRANT SELECT ON t TO clerks; GRANT clerks TO clerk", "clerk in clerks"),
        ("GRANT clerks TO portal", "portal in clerks"),
    ],
)
def test_a_membership_that_the_target_lacks_is_named(plant: str, named: str, sides: Sides) -> None:
    grant = plant.rpartition("; ")[2]
    back = "REVOKE ALL ON t FROM clerks; REVOKE clerks FROM clerk, portal"
    with planted(sides, plant, back):
        assert named in warned(sides)["memberships-not-carried"]
        with planted(sides, grant, "REVOKE clerks FROM clerk, portal", side=1):
            assert "memberships-not-carried" not in warned(sides)


SERVER = {
    "timezone": ("ALTER SYSTEM SET timezone = 'Asia/Ho_Chi_Minh'", "timezone = Asia/Ho_Chi_Minh, there "),
    "a timeout": ("ALTER SYSTEM SET lock_timeout = '7min'", "lock_timeout = 420000, there 0"),
    "how it plans": ("ALTER SYSTEM SET work_mem = '8MB'", None),
    "a name for the same": ("ALTER SYSTEM SET timezone = 'GMT'", None),
}


@pytest.mark.parametrize("setting", SERVER)
def test_what_sessions_begin_with_by_their_server_is_compared(setting: str, pair: Pair) -> None:
    made, expected = SERVER[setting]
    name = made.split()[3]
    both = "ALTER SYSTEM SET timezone = 'Etc/UTC'" if setting == "a name for the same" else "SELECT 1"
    for side, statement in ((0, made), (1, both)):
        with pair[side].admin() as admin:
            admin.execute(statement.encode())
            admin.execute("SELECT pg_reload_conf()")
    try:
        with two_databases.made(pair, "SELECT 1") as sides:
            seen = found(sides).get("server-settings")
        assert (seen is not None) is (expected is not None)
        if seen is not None and expected is not None:
            assert expected in seen.what
            assert seen.severity is Severity.WARNING
    finally:
        for side in (0, 1):
            with pair[side].admin() as admin:
                admin.execute(f"ALTER SYSTEM RESET {name}".encode())
                admin.execute("SELECT pg_reload_conf()")
