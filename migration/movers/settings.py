"""Carries `ALTER DATABASE … SET` and `ALTER ROLE … SET` to the target's owner; it overwrites nothing that is not ours.

They become settings of the owner in this one database: an owner may set them himself, and neither the stream nor our
own sessions, which are others', are touched by a `lock_timeout` of the application.
"""

from __future__ import annotations

from migration.movers import link
from migration.movers.link import Connection, literal, quoted
from migration.verification.settings import CARRIED, EFFECTIVE

_REMEMBERED = "dcshift.setting"


def effective(connection: Connection) -> dict[str, str]:
    """Return the settings with which the owner's sessions begin, by name in lower case."""
    return dict(link.rows(connection, EFFECTIVE))


def carried(target: Connection) -> set[str]:
    """Return the names of what we have set on the target."""
    if link.rows(target, f"SELECT to_regclass('{_REMEMBERED}')")[0][0] is None:
        return set()
    return {name for (name,) in link.rows(target, f"SELECT name FROM {_REMEMBERED}")}


def carry(source: Connection, target: Connection, owner: str) -> list[str]:
    """Give the target's owner what the source's has, and take away what the source has no more; return the names."""
    link.run(target, f"CREATE TABLE IF NOT EXISTS {_REMEMBERED} (name text PRIMARY KEY)")
    here, there, ours = effective(source), effective(target), carried(target)
    wanted = {name: value for name, value in here.items() if name in CARRIED}
    reset(target, owner, ours - wanted.keys())
    for name, value in wanted.items():
        if there.get(name) == value or (name in there and name not in ours):
            continue  # somebody else declared another value on the target: a finding and a failed proof say so
        with target.transaction():
            link.rows(target, f"INSERT INTO {_REMEMBERED} VALUES (%s) ON CONFLICT DO NOTHING", (name,))
            link.run(target, f"SET LOCAL ROLE {quoted(owner)}")
            _give(target, owner, name, value)
    return sorted(wanted)


def _give(target: Connection, owner: str, name: str, value: str) -> None:
    database = str(link.rows(target, "SELECT current_database()")[0][0])
    change = f"ALTER ROLE {quoted(owner)} IN DATABASE {quoted(database)} SET {name}"
    if name == "search_path":
        # A list: as one literal it would be the name of one schema.
        link.rows(target, "SELECT set_config(%s, %s, true)", (name, value))
        link.run(target, f"{change} FROM CURRENT")
    else:
        link.run(target, f"{change} = {literal(value)}")


def reset(target: Connection, owner: str, names: set[str] | None = None) -> None:
    """Take away these settings of ours, or all of them."""
    database = str(link.rows(target, "SELECT current_database()")[0][0])
    for name in sorted(carried(target) if names is None else names):
        with target.transaction():
            link.rows(target, f"DELETE FROM {_REMEMBERED} WHERE name = %s", (name,))
            link.run(target, f"SET LOCAL ROLE {quoted(owner)}")
            link.run(target, f"ALTER ROLE {quoted(owner)} IN DATABASE {quoted(database)} RESET {name}")
