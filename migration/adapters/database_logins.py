"""Says what of roles and of the whole server an application may need and no copy carries; it only reads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from catalogue.target import TargetDatabase
from migration.adapters.naming import few
from migration.model.words import Finding, Severity
from migration.movers import link, settings
from migration.movers.link import Connection
from migration.verification.settings import SERVER_WIDE

# Who owns the database, who may do something in it, and who is in it now; never the migration itself.
_AROUND: Final = """
SELECT r.oid, r.rolname, r.rolcanlogin, r.oid = d.datdba FROM pg_roles r, pg_database d
WHERE d.datname = current_database() AND r.rolname <> current_user AND NOT r.rolsuper AND (r.oid = d.datdba
    OR EXISTS (SELECT FROM pg_shdepend s WHERE s.refclassid = 'pg_authid'::regclass AND s.refobjid = r.oid
        AND (s.dbid = d.oid OR s.dbid = 0 AND s.classid = 'pg_database'::regclass AND s.objid = d.oid))
    OR EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid AND a.usesysid = r.oid))
"""
_ALL_MEMBERS: Final = """
SELECT DISTINCT g.rolname, m.rolname FROM pg_auth_members a JOIN pg_roles g ON g.oid = a.roleid
JOIN pg_roles m ON m.oid = a.member
"""
_MEMBERS: Final = f"""
{_ALL_MEMBERS} JOIN ({_AROUND}) x ON x.oid IN (a.roleid, a.member)
WHERE m.rolname <> current_user AND g.rolname <> current_user ORDER BY 1, 2
"""
# Not what this session itself asked for, nor what was set for a role or a database: of those others speak.
_SETTINGS: Final = """
SELECT lower(name), reset_val FROM pg_settings
WHERE source IN ('default', 'configuration file', 'command line', 'environment variable', 'override')
"""
_UTC: Final = {"etc/utc", "gmt", "etc/gmt", "uct", "etc/uct", "zulu", "etc/universal", "universal"}


def of_logins(source: Connection, target: Connection, contract: TargetDatabase) -> Iterator[Finding]:
    """Yield warnings for logins and memberships that the target lacks, and for what sessions begin with there."""
    where = f"{contract.cluster}/{contract.name}"
    there = dict(link.rows(target, "SELECT rolname, rolcanlogin FROM pg_roles"))
    around = link.rows(source, _AROUND)
    if logins := sorted(name for _oid, name, enters, owns in around if enters and not owns and not there.get(name)):
        what = f"roles that use this database log in at the source alone; no password is carried: {few(logins)}"
        yield Finding(Severity.WARNING, "logins-not-carried", where, what, "declare on the target whom it needs")
    members = set(link.rows(target, _ALL_MEMBERS))
    if lacking := [f"{who} in {group}" for group, who in link.rows(source, _MEMBERS) if (group, who) not in members]:
        what = f"memberships of roles are not carried: {few(lacking)}"
        yield Finding(Severity.WARNING, "memberships-not-carried", where, what, "GRANT them on the target if needed")
    if differing := list(_otherwise(source, target)):
        what = f"the servers begin sessions with other settings: {few(differing)}"
        mend = f"ALTER DATABASE {contract.name} SET ... at the source, which is carried; or declare them on the target"
        yield Finding(Severity.WARNING, "server-settings", where, what, mend)


def _otherwise(source: Connection, target: Connection) -> Iterator[str]:
    here, there = dict(link.rows(source, _SETTINGS)), dict(link.rows(target, _SETTINGS))
    # What is set for the owner or the database goes before, and is carried.
    for name in sorted(SERVER_WIDE & here.keys() & there.keys() - settings.effective(source).keys()):
        if _plain(name, here[name]) != _plain(name, there[name]):
            yield f"{name} = {here[name]}, there {there[name]}"


def _plain(name: str, value: str | None) -> str:
    """Return one word for values that mean the same."""
    word = (value or "").lower()
    if name == "timezone":
        return "utc" if word in _UTC else word
    if name.startswith("lc_"):
        word = word.replace("-", "").removesuffix(".utf8")
        return "c" if word == "posix" else word
    return word
