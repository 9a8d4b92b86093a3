"""The identities that work on a centre, and what RBAC gives each; people have one by a group, pipelines by a token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from catalogue import volumes
from catalogue.system import System
from infra import naming
from infra.answers import Answer
from infra.rights import kinds
from infra.rights.rules import SEE, WRITE, Rule, changing, on, rule
from infra.rules.subjects import CLAIM, CLUSTER, CONFIG_MAP, NAMESPACE, POD, ROLE, SECRET, SERVICE, SERVICE_ACCOUNT

VIEWER: Final = "viewer"
_PLATFORM_ROLE: Final = "ClusterRole dcshift-platform"
_TENANCY_ROLE: Final = "ClusterRole dcshift-tenancy"
ANSWERS: Final = (
    Answer(
        {"checkov": ("CKV_K8S_49",), "trivy": ("KSV046",)},
        (_PLATFORM_ROLE,),
        "The identity of the layer that sets up the centre writes kinds of operators that no list of ours could "
        "name beforehand; it may delete only what the list names, and no data (docs/identities.md).",
    ),
    Answer(
        {"checkov": ("CKV_K8S_155",)},
        (_PLATFORM_ROLE,),
        "It is the identity that declares the admission policies, and nobody else may. That it deleted one stands "
        "in the security log (docs/security-log.md).",
    ),
    Answer(
        {"checkov": ("CKV_K8S_158",)},
        (_PLATFORM_ROLE,),
        "It hands each system's identities rights that it does not use itself, so it must be allowed to hand out "
        "more than it has.",
    ),
    Answer(
        {"trivy": ("KSV041",)},
        (_PLATFORM_ROLE, "ClusterRole dcshift-drill"),
        "As KSV046: the right of the first to all kinds includes Secrets. The second reads, by their names, the "
        "migration's login and the authority of each system's database. Both are lent to programs by a token that "
        "soon ends (docs/identities.md).",
    ),
    Answer(
        {"trivy": ("KSV048", "KSV049")},
        (_PLATFORM_ROLE,),
        "As KSV046: it sets up every part of the centre, also workloads and what they are configured with.",
    ),
    Answer(
        {"trivy": ("KSV050",)},
        (_PLATFORM_ROLE, _TENANCY_ROLE),
        "`platform` declares every role. `tenancy` may only bind viewers, the one role that neither reads a Secret "
        "nor starts a pod.",
    ),
    Answer(
        {"trivy": ("KSV056",)},
        (_PLATFORM_ROLE, _TENANCY_ROLE),
        "They keep the systems' network policies, and nobody else does.",
    ),
    Answer(
        {"trivy": ("KSV111",)},
        ("ClusterRoleBinding dcshift-break-glass",),
        "It is the way in when everything else fails, the only one that may delete data, lent by a token that soon "
        "ends.",
    ),
    Answer(
        {"trivy": ("KSV049",)},
        ("Role dcshift-drills/drill",),
        "A drill writes down what it measured, in ConfigMaps by name; `create` cannot be limited to a name, and "
        "nothing that runs in that namespace reads one.",
    ),
    Answer(
        {"trivy": ("KSV113",)},
        ("Role dcshift-drills/drill",),
        "A drill reads, by name, the authority of the database that it restored, and no other Secret of its namespace.",
    ),
)
Reference = dict[str, str]


@dataclass(frozen=True, slots=True)
class Identity:
    """One who works on the centre: an account in the namespace of identities, and the group of those who are it."""

    name: str
    people: str
    purpose: str
    rules: list[Rule] = field(default_factory=list)

    @property
    def subjects(self) -> list[Reference]:
        """Return both whom its role is bound to."""
        return [group(self.people), account(self.name, naming.IDENTITIES)]


def group(name: str) -> Reference:
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": name}


def account(name: str, namespace: str) -> Reference:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def _of_the_centre(name: str, purpose: str, rules: list[Rule] | None = None) -> Identity:
    return Identity(name, naming.identity_group(name), purpose, rules or [])


DATA: Final = _of_the_centre(
    naming.DATA,
    "applies the stack data: databases, backups, pools, volumes of files; deletes none that hold data, reads no secret",
    [
        *changing(kinds.DATA),
        # A backup out of turn, before a dangerous step; a record of it is all that lies in the cluster.
        *on([kinds.BACKUPS], (*SEE, "create")),
        *on([POD, kinds.LOGS, kinds.EVENTS, CLAIM], SEE),
    ],
)

KEEPING_FILES: Final = changing(kinds.FILES)
"""What it may do in the `app` namespace of a system with volumes of files: it declares claims, and deletes none."""

DRILL: Final = _of_the_centre(
    naming.DRILL,
    "restores backups for a trial (dcshift drill): starts a backup, reads a database as the migration's role",
)
"""Who runs drills. It makes and removes databases in the namespace of drills alone: `drilling`."""


def drilling(systems: Sequence[System]) -> list[Rule]:
    """Return what it may do in the namespace of drills: the scratch database, its authority, what it writes down."""
    authorities = [naming.scratch_ca_secret(system.id) for system in systems]
    return [
        *on([CLUSTER], (*SEE, "create", "delete")),
        *on([SECRET], ("get",), authorities),
        # `create` cannot be limited to a name; nothing that runs there reads a ConfigMap.
        *on([CONFIG_MAP], ("create",)),
        *on([CONFIG_MAP], ("get", "patch"), _records(systems)),
        # Taken away and made anew: their age is what an alert asks for.
        *on([CONFIG_MAP], ("get", "delete"), _marks(systems)),
    ]


def _records(systems: Sequence[System]) -> list[str]:
    return [naming.drill_record(system.id) for system in systems]


def _marks(systems: Sequence[System]) -> list[str]:
    return [name(system.id) for system in systems for name in (naming.drill_equal, naming.drill_failed)]


SECURITY: Final = _of_the_centre(
    naming.SECURITY,
    "applies the stack security: the security log's programs, in its two namespaces; reads no secret",
    # Also the claim of the queues is only seen: in it lies what nobody has received yet.
    [*changing(kinds.SECURITY), *on([*kinds.RUNNING, CLAIM], SEE)],
)


def deploying(system: System) -> Identity:
    """Return the identity of one system's pipeline; its role lies in the system's `app` namespace and nowhere else."""
    accounts = [naming.web(system.id), naming.jobs_account(system.id), naming.schema_account(system.id)]
    accounts += [naming.workers_account(system.id)] if system.workers else []
    # In the same namespace lie the migration's account and the cluster's authority: those are not the pipeline's.
    named = {SERVICE_ACCOUNT: accounts, CONFIG_MAP: [naming.CONTRACT]}
    rules = [
        *changing(kind for kind in kinds.SYSTEM if kind not in named),
        *on(named, (*SEE, "create")),
        *(each for kind, names in named.items() for each in on([kind], ("update", "patch", "delete"), names)),
        *on(kinds.RUNNING, SEE),
    ]
    return Identity(
        naming.deploy_identity(system.id),
        naming.deployers_group(system.id),
        f"applies the stack {system.id}: its workloads, in {naming.app_namespace(system.id)} alone; reads no secret",
        rules,
    )


def of_the_cluster(systems: Sequence[System]) -> list[Identity]:
    """Return those whose rights are not one namespace's."""
    apps = [naming.app_namespace(system.id) for system in systems if not volumes.of(system)]
    return [
        _of_the_centre(naming.PLATFORM, "applies the stack platform, and all that nobody else may", _platform(apps)),
        _of_the_centre(
            naming.TENANCY,
            "applies the stacks ground.<system>: namespaces, quotas, limits, policies; no role, reads no secret",
            _tenancy(apps),
        ),
        replace(DRILL, rules=_drill(systems)),
        _of_the_centre(naming.AUDITOR, "reads everything but secrets, changes nothing", _auditor()),
        # What these apply lies in namespaces; what they ask of the cluster first does not.
        replace(SECURITY, rules=on(kinds.ASKED, ("get", "list"))),
        replace(
            DATA,
            rules=[
                *on([*kinds.ASKED, kinds.VOLUMES], ("get", "list")),
                # What drills of its databases measured is among the outputs of its stack.
                *on([CONFIG_MAP], ("get",), _records(systems)),
            ],
        ),
    ]


BREAK_GLASS: Final = _of_the_centre(naming.BREAK_GLASS, "the only one that deletes what holds data")
"""It has the cluster's own role `cluster-admin`: whatever we forgot to name is what it is for."""


def everyone(systems: Sequence[System]) -> list[Identity]:
    """Return every identity of a centre, the most powerful last."""
    return [*map(deploying, systems), *reversed(of_the_cluster(systems)), BREAK_GLASS]


def _platform(apps: list[str]) -> list[Rule]:
    """Everything but deletion, and deletion of what holds no data: RBAC adds and never takes away."""
    # New systems are brought in by it, grounds too: those have roles.
    deletable = [*kinds.TENANCY, *kinds.PLATFORM, *kinds.SECURITY, *kinds.SYSTEM, *kinds.RUNNING, SECRET]
    return [
        rule("*", ["*"], (*SEE, *WRITE)),
        # Whoever hands out rights that he does not have could hand them to himself: it is trusted so far.
        rule(ROLE.group, ["roles", "clusterroles"], ("bind", "escalate")),
        *on([kind for kind in dict.fromkeys(deletable) if kind not in (NAMESPACE, kinds.LOGS)], ("delete",)),
        *_deletion_of(apps),
    ]


def _tenancy(apps: list[str]) -> list[Rule]:
    """Return the ground's kinds but roles: who writes a role without having its rights gives himself any right."""
    return [
        *changing(kind for kind in kinds.TENANCY if kind is not ROLE),
        *on([ROLE], SEE),
        # Of all roles of a system this alone neither reads a secret nor starts a pod that could.
        rule(ROLE.group, [ROLE.resource], ("bind",), [VIEWER]),
        *_deletion_of(apps),
        *on(kinds.ASKED, ("get", "list")),
    ]


def _drill(systems: Sequence[System]) -> list[Rule]:
    """Secrets by their names alone, one login and one authority of each system: no name is given twice in a centre."""
    read = [name(system.id) for system in systems for name in (naming.migration_secret, naming.ca_secret)]
    return [
        *on([CONFIG_MAP], ("get",), [naming.CONTRACT]),
        *on([SECRET], ("get",), read),
        *on([CLUSTER, SERVICE], ("get",)),
        *on([kinds.BACKUPS], (*SEE, "create")),
        *on([POD, CLAIM, kinds.VOLUMES], SEE),
    ]


def _deletion_of(apps: list[str]) -> list[Rule]:
    return on([NAMESPACE], ("delete",), apps) if apps else []


def _auditor() -> list[Rule]:
    return on([*kinds.ALL, *kinds.RUNNING, *kinds.OF_THE_CLUSTER], SEE)
