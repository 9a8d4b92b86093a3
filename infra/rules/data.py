"""Rules of what must not be lost: databases, their volumes and the locks on them."""

from __future__ import annotations

from typing import Final

from catalogue import seeding
from infra import labels
from infra.rules.rule import Rule, Scope
from infra.rules.subjects import CLAIMS, DATABASES, KEPT, NAMESPACES, POOLERS
from infra.spreading import HOST, ZONE

_COPIES: Final = "an toàn dữ liệu, sao lưu dự phòng"
_SPREAD: Final = "variables.spread[variables.level - 1]"
_NOT_DATA: Final = (
    f"(variables.labels[?'{labels.TIER}'].orValue('') != 'data' "
    f"&& variables.labels[?'{labels.KEEPS}'].orValue('') != 'true')"
)


def _of_registry(image: str) -> str:
    return (
        f"{image}.orValue('').startsWith(variables.registry + '/') "
        f"&& {image}.value().matches('(:[A-Za-z0-9_][A-Za-z0-9._-]*|@sha256:[0-9a-f]{{64}})$') "
        f"&& !{image}.value().endsWith(':latest')"
    )


_SEEDED: Final = (
    f"object.spec.bootstrap.pg_basebackup.?source.orValue('') == '{seeding.ORIGIN}' "
    "&& object.spec.?externalClusters.orValue([]).size() == 1 "
    f"&& object.spec.externalClusters[0].?name.orValue('') == '{seeding.ORIGIN}' "
    "&& object.spec.externalClusters[0].?connectionParameters.sslmode.orValue('') == 'verify-full' "
    "&& object.spec.externalClusters[0].?sslRootCert.hasValue()"
)


def _locked(option: str) -> str:
    return f"variables.dataMayBeDestroyed || options.{option}"


DATA: Final = (
    Rule(
        "database-instances-of-level",
        "A database has at least as many instances as the level asks for.",
        "postgres-instances-min",
        DATABASES,
        "object.spec.?instances.orValue(1) >= variables.instancesMin[variables.level - 1]",
        in_lab=False,
    ),
    Rule(
        "database-apart",
        "Instances of a database stand on hosts of their own, spread over zones where the level asks for that.",
        "spread",
        DATABASES,
        f"{_SPREAD} == 'none' || (object.spec.?affinity.podAntiAffinityType.orValue('') == 'required' "
        "&& object.spec.affinity.?enablePodAntiAffinity.orValue(true) "
        f"&& object.spec.affinity.?topologyKey.orValue('{HOST}') == '{HOST}' && ({_SPREAD} != 'zone' "
        "|| object.spec.?topologySpreadConstraints.orValue([]).exists(t, "
        f"t.topologyKey == '{ZONE}' && t.whenUnsatisfiable == 'DoNotSchedule')))",
        level=2,
        in_lab=False,
    ),
    Rule(
        "database-follows-as-asked",
        "What a database acknowledges lies on two hosts where the level asks for a quorum.",
        "postgres-sync",
        DATABASES,
        "variables.follows[variables.level - 1] != 'quorum' "
        "|| (object.spec.?postgresql.synchronous.number.orValue(0) >= 1 "
        "&& object.spec.postgresql.synchronous.?dataDurability.orValue('required') == 'required')",
        level=2,
        in_lab=False,
    ),
    Rule(
        "database-budget",
        "Maintenance takes no second instance of a database while one is away: its operator keeps a budget for it.",
        "disruption-budget",
        DATABASES,
        # One instance alone: a budget would let no host ever be emptied.
        "object.spec.?instances.orValue(1) == 1 || object.spec.?enablePDB.orValue(true)",
    ),
    Rule(
        "database-on-kept-volumes",
        "A database lies on the storage class whose volumes outlive their claims.",
        _COPIES,
        DATABASES,
        "object.spec.?storage.storageClass.orValue('') == variables.storageClass",
    ),
    Rule(
        "database-image-of-registry",
        "A database's image is the declared registry's, under a digest or a tag that is not latest.",
        "an toàn ứng dụng, phát triển và cài đặt phần mềm",
        DATABASES,
        _of_registry("object.spec.?imageName"),
    ),
    Rule(
        "database-without-superuser",
        "Nobody logs in to a database as superuser over the network.",
        "an toàn máy chủ, kiểm soát truy cập",
        DATABASES,
        "!object.spec.?enableSuperuserAccess.orValue(false) "
        "&& object.spec.?managed.roles.orValue([]).all(r, !r.?superuser.orValue(false))",
    ),
    Rule(
        "database-speaks-tls-only",
        "A database takes no client that comes unencrypted.",
        "encryption-in-transit",
        DATABASES,
        # First, before any line could let somebody in; and behind it lines for the encrypted alone, for `all` is every
        # database but not the log's own. `.` is no end of a line: one text is one line of the file.
        "variables.access.size() > 0 && variables.access[0] == 'hostnossl all all all reject' "
        "&& variables.access.all(l, l == 'hostnossl all all all reject' || l.matches('^hostssl .*$'))",
    ),
    Rule(
        "database-requests-and-limits",
        "A database requests cpu and memory, and is limited in both.",
        "quotas",
        DATABASES,
        "['requests', 'limits'].all(w, ['cpu', 'memory'].all(r, object.spec.?resources[?w][?r].hasValue()))",
    ),
    Rule(
        "database-born-empty",
        "A declared database begins empty, or from the copy that a mover keeps for it and that proves itself by its "
        "certificate: a recovery left in the program would bring old rows back.",
        _COPIES,
        DATABASES,
        # Of what is declared only: whoever restores a lost database by hand must be let through.
        f"!has(object.spec.bootstrap.recovery) && (has(object.spec.bootstrap.pg_basebackup) ? ({_SEEDED}) "
        ": object.spec.?externalClusters.orValue([]).size() == 0)",
        scope=Scope.DECLARED,
    ),
    Rule(
        "database-birth-ignored",
        "How a database was born is read once: a later change of it makes no new one.",
        _COPIES,
        DATABASES,
        "options.birthIgnored",
        scope=Scope.OPTIONS,
    ),
    Rule(
        "pooler-instances-of-level",
        "A pool of connections has at least as many pods as the level asks for of whatever serves.",
        "replicas-min",
        POOLERS,
        "object.spec.?instances.orValue(1) >= variables.replicasMin[variables.level - 1]",
        in_lab=False,
    ),
    Rule(
        "pooler-image-of-registry",
        "A pool's image is the declared registry's, under a digest or a tag that is not latest, and said in one place.",
        "an toàn ứng dụng, phát triển và cài đặt phần mềm",
        POOLERS,
        # What a template says of it would win over what is looked at here.
        f"{_of_registry('object.spec.?pgbouncer.image')} && variables.containers.all(c, !has(c.image))",
    ),
    Rule(
        "pooler-requests-and-limits",
        "A pool requests cpu and memory, and is limited in both.",
        "quotas",
        POOLERS,
        "variables.containers.exists(c, c.name == 'pgbouncer' "
        "&& ['requests', 'limits'].all(w, ['cpu', 'memory'].all(r, c.?resources[?w][?r].hasValue())))",
    ),
    Rule(
        "pooler-encrypted",
        "A pool takes no client that comes unencrypted.",
        "encryption-in-transit",
        POOLERS,
        "object.spec.?pgbouncer.parameters.client_tls_sslmode.orValue('') in ['require', 'verify-ca', 'verify-full']",
    ),
    Rule(
        "files-on-class-of-access",
        "A volume of files lies on the kept class that gives how it is opened: by pods anywhere, or on one node.",
        _COPIES,
        CLAIMS,
        "variables.modes.size() == 1 && object.spec.?storageClassName.orValue('') != '' "
        "&& object.spec.storageClassName == (variables.modes[0] == 'ReadWriteMany' ? variables.sharedStorageClass "
        ": (variables.modes[0] == 'ReadWriteOnce' ? variables.storageClass : ''))",
    ),
    Rule(
        "files-born-empty",
        "A declared volume of files begins empty: it is no copy of another, and no disk that somebody chose.",
        _COPIES,
        CLAIMS,
        # Of what is declared only: whoever brings a lost volume back by hand names it.
        "['dataSource', 'dataSourceRef', 'selector', 'volumeName'].all(f, !(f in object.spec))",
        scope=Scope.DECLARED,
    ),
    Rule("data-replaced-after-deletion", "Data is never made anew beside itself: the old object would go second, under "
         "the same name.", _COPIES, KEPT, "options.deletedFirst", scope=Scope.OPTIONS),
    Rule("data-protected", "Deleting a database, its backups or a volume of files is refused "
         "by the engine.", _COPIES, KEPT,
         _locked("protect"), scope=Scope.OPTIONS),
    Rule("data-retained", "A database or a volume of files that leaves the program stays in the cluster.",
         _COPIES, KEPT,
         _locked("retain"), scope=Scope.RETAIN),
    Rule("data-namespace-protected", "Deleting the namespace of a database or of volumes of files is refused "
         "by the engine.", _COPIES,
         NAMESPACES, f"{_NOT_DATA} || {_locked('protect')}", scope=Scope.OPTIONS),
    Rule("data-namespace-retained", "The namespace of a database or of volumes of files stays when it leaves "
         "the program.", _COPIES,
         NAMESPACES, f"{_NOT_DATA} || {_locked('retain')}", scope=Scope.RETAIN),
)  # fmt: skip
