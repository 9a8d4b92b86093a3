"""Rules of who has which rights in a system's namespaces."""

from __future__ import annotations

from typing import Final

from infra import labels, naming
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import ACCOUNTS, BINDINGS, ROLES

_ACCESS: Final = "an toàn máy chủ, kiểm soát truy cập"
# Where volumes of files lie beside pods, `data` declares them, by a role of its own and by no other.
_KEEPS_FILES: Final = (
    f"variables.place[?'{labels.KEEPS}'].orValue('') == 'true' && object.roleRef.name == '{naming.DATA}'"
)
_WORKS_HERE: Final = (
    f"(s.name == '{naming.DATA}' ? variables.place[?'{labels.TIER}'].orValue('') == 'data' || {_KEEPS_FILES} "
    f": variables.place[?'{labels.TIER}'].orValue('') == 'app' "
    f"&& s.name == '{naming.deploy_identity('')}' + variables.place['{labels.SYSTEM}'])"
)

RIGHTS: Final = (
    Rule(
        "no-wildcard-rights",
        "No role is given by a wildcard.",
        _ACCESS,
        ROLES,
        "variables.rules.all(r, (r.?apiGroups.orValue([]) + r.?resources.orValue([]) + r.?verbs.orValue([]))"
        ".all(w, !w.contains('*')))",
    ),
    Rule(
        "secrets-by-name",
        "Nobody lists Secrets, and who reads or changes one is given it by name.",
        "an toàn dữ liệu, bí mật dữ liệu",
        ROLES,
        "variables.rules.all(r, !('secrets' in r.?resources.orValue([])) "
        "|| r.?verbs.orValue([]).all(v, v == 'create' "
        "|| !(v in ['list', 'deletecollection']) && r.?resourceNames.orValue([]).size() > 0))",
    ),
    Rule(
        "no-escalation",
        "No role may escalate, bind or impersonate.",
        _ACCESS,
        ROLES,
        "variables.rules.all(r, r.?verbs.orValue([]).all(v, !(v in ['escalate', 'bind', 'impersonate'])))",
    ),
    Rule(
        "rights-are-read-only",
        "No role inside a system changes rights, quotas, limits of requests or network policies.",
        _ACCESS,
        ROLES,
        "variables.rules.all(r, r.?resources.orValue([]).all(x, !(x in ['roles', 'rolebindings', 'networkpolicies', "
        "'resourcequotas', 'limitranges', 'middlewares'])) "
        "|| r.?verbs.orValue([]).all(v, v in ['get', 'list', 'watch']))",
    ),
    Rule(
        "no-entering-pods",
        "No role opens a shell in a pod or a tunnel to it: such a session is recorded nowhere.",
        "access-session-record",
        ROLES,
        "variables.rules.all(r, r.?resources.orValue([]).all(x, !(x in ['pods/exec', 'pods/attach', "
        "'pods/portforward', 'pods/proxy', 'pods/ephemeralcontainers'])))",
        level=3,
    ),
    Rule(
        "binding-of-own-role",
        "A binding gives a role of its namespace, never one of the whole cluster.",
        _ACCESS,
        BINDINGS,
        "object.roleRef.kind == 'Role'",
    ),
    Rule(
        "binding-to-nobody-unnamed",
        "No binding is for everybody, anonymous or not, for all accounts of a place, or for one written as a user.",
        "access-oidc",
        BINDINGS,
        # Nor is an account named as if it were a person: what is asked of accounts would not be asked of it.
        "variables.subjects.all(s, !s.name.startsWith('system:'))",
    ),
    Rule(
        "binding-to-own-accounts",
        "An account that gets rights is one of the same system, or the identity that works on it.",
        _ACCESS,
        BINDINGS,
        "variables.subjects.all(s, s.kind != 'ServiceAccount' "
        "|| s.?namespace.orValue(object.metadata.namespace) in ['app', 'data'].map(t, "
        f"'httt-' + variables.place['{labels.SYSTEM}'] + '-' + t) "
        f"|| s.?namespace.orValue('') == '{naming.IDENTITIES}' "
        f"&& {_WORKS_HERE})",
    ),
    Rule(
        "accounts-without-token",
        "An account mounts no token unless a pod asks for it.",
        "an toàn máy chủ, xác thực",
        ACCOUNTS,
        "!object.?automountServiceAccountToken.orValue(true)",
        scope=Scope.DECLARED,
    ),
)
