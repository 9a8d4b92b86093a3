"""What a move may leave behind on a server: read before and after, it says whether the server was harmed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from lab.postgres_server import PostgresServer

_SERVER: Final = {
    "slots": "SELECT slot_name, plugin, database FROM pg_replication_slots ORDER BY 1",
    "roles": "SELECT rolname, rolsuper, rolcanlogin, rolreplication, rolconfig::text FROM pg_roles ORDER BY 1",
    "memberships": "SELECT roleid::regrole::text, member::regrole::text FROM pg_auth_members ORDER BY 1, 2",
    "settings": "SELECT setdatabase, setrole, setconfig::text FROM pg_db_role_setting ORDER BY 1, 2",
    "settings of the server": "SELECT name, setting FROM pg_settings WHERE source = 'configuration file' ORDER BY 1",
    "prepared transactions": "SELECT gid FROM pg_prepared_xacts ORDER BY 1",
    # A right that everybody has by default reads as none until somebody takes it away and gives it back.
    "rights on databases": """SELECT datname, a.grantee::text, a.privilege_type
        FROM pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba))) a ORDER BY 1, 2, 3""",
}
_INSIDE: Final = {
    "schemas": "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp' ORDER BY 1",
    "publications": "SELECT pubname FROM pg_publication ORDER BY 1",
    "subscriptions": "SELECT subname FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname ="
    " current_database()) ORDER BY 1",
    "event triggers": "SELECT evtname, evtenabled FROM pg_event_trigger ORDER BY 1",
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1,2",
    "relations": """SELECT relnamespace::regnamespace::text, relname, relkind, relreplident, relacl::text
        FROM pg_class WHERE oid >= 16384 AND relkind <> 't' AND relname !~ '^pg_toast' ORDER BY 1, 2""",
    "replica identities": "SELECT indexrelid::regclass::text FROM pg_index WHERE indisreplident ORDER BY 1",
    "functions": "SELECT oid::regprocedure::text FROM pg_proc WHERE oid >= 16384 ORDER BY 1",
    "extensions": "SELECT extname, extversion FROM pg_extension ORDER BY 1",
    "default rights": "SELECT defaclrole::regrole::text, defaclobjtype, defaclacl::text FROM pg_default_acl ORDER BY 1",
    "large objects": "SELECT oid, lomacl::text FROM pg_largeobject_metadata ORDER BY 1",
    "right to look at large objects": "SELECT relacl::text FROM pg_class WHERE oid = 'pg_largeobject'::regclass",
}
_REMEMBERED: Final = "SELECT schema_name, table_name FROM dcshift.identity_before ORDER BY 1, 2"
Catalogue = Mapping[str, list[tuple[Any, ...]]]


def of(server: PostgresServer, *databases: str) -> Catalogue:
    """Return it, of the server and inside of these databases."""
    with server.admin() as admin:
        found = {name: admin.execute(query.encode()).fetchall() for name, query in _SERVER.items()}
    for database in databases:
        with server.admin(database) as admin:
            found |= {
                f"{name} of {database}": admin.execute(query.encode()).fetchall() for name, query in _INSIDE.items()
            }
            there = admin.execute("SELECT to_regclass('dcshift.identity_before')").fetchone()
            remembers = there is not None and there[0] is not None
            found[f"remembered of {database}"] = admin.execute(_REMEMBERED.encode()).fetchall() if remembers else []
    return found
