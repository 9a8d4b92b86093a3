"""One system's PostgreSQL, run by CloudNativePG; it never replaces a cluster that holds data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import pulumi
import pulumi_kubernetes as k8s

from catalogue import seeding
from catalogue.controls import Controls
from catalogue.system import DATABASE_MAJOR_MIN
from infra import labels, naming, spreading
from infra.components.metrics_service import metrics_service
from infra.monitoring.targets import DATABASE_PORT
from infra.sizes import BACKUP_DAYS, CONNECTIONS_MAX, Size

_API: Final = "postgresql.cnpg.io/v1"


@dataclass(frozen=True, slots=True)
class BackupPlace:
    """Where a database's backups lie; the keys are in a Secret that exists already."""

    bucket: str
    endpoint: str
    secret: str

    def spec(self) -> dict[str, Any]:
        """Return the place as CloudNativePG writes it."""
        return {
            "destinationPath": f"s3://{self.bucket}/",
            "endpointURL": self.endpoint,
            "s3Credentials": {
                "accessKeyId": {"name": self.secret, "key": "access_key"},
                "secretAccessKey": {"name": self.secret, "key": "secret_key"},
            },
            "wal": {"compression": "gzip"},
            "data": {"compression": "gzip"},
        }


@dataclass(frozen=True, slots=True)
class PostgresClusterArgs:
    """What the database must be; its passwords lie in Secrets that exist already."""

    system: str
    """Id of the system whose data it keeps; also the name of the database and of its owner."""
    labels: dict[str, str]
    """Labels of every object that it declares."""
    image: str
    """The PostgreSQL image that CloudNativePG starts, with its tag."""
    major: int
    """Major version of PostgreSQL, 16 at least: the migration's role needs pg_create_subscription."""
    instances: int
    """How many copies run; from two on, maintenance never stops the last one."""
    storage: str
    """Size of each instance's volume, such as `10Gi`."""
    storage_class: str
    """Class of the volumes; it should keep a volume whose claim goes."""
    locale: str
    """Order of letters and their classes; the source's, or indexes would not say the same."""
    size: Size
    """CPU and memory that each instance requests and may use."""
    backup: BackupPlace
    """Where its backups and its log go."""
    asked: Controls | None = None
    """What the system's level asks: where instances stand and how they follow. None where there is one machine."""
    pool: str | None = None
    """The pool of nodes that all of its pods stand in; none where they share nodes with others."""
    seed: tuple[str, int] | None = None
    """Address and port of a mover's copy that it begins from; None: it begins empty. Read once, at its birth."""
    may_be_destroyed: bool = False
    """Take off the locks that keep the database when its declaration goes."""


class PostgresCluster(pulumi.ComponentResource):
    """A cluster with the owner of the application, a role for the migration, an archive, nightly backups, metrics."""

    name: pulumi.Output[str]

    def __init__(self, name: str, args: PostgresClusterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("dcshift:data:PostgresCluster", name, None, opts)
        if args.major < DATABASE_MAJOR_MIN:
            raise ValueError(
                f"{args.system} asks for PostgreSQL {args.major}; the migration's role needs pg_create_subscription, "
                f"which PostgreSQL has since {DATABASE_MAJOR_MIN}"
            )
        locked = not args.may_be_destroyed
        cluster = k8s.apiextensions.CustomResource(
            naming.logical(args.system, "cluster", "db"),
            api_version=_API,
            kind="Cluster",
            metadata={**_metadata(args, naming.cluster(args.system)), "annotations": _WAIT},
            spec=_cluster(args),
            opts=pulumi.ResourceOptions(
                parent=self,
                # Four locks against an empty database: deleting is refused; what is dropped from here stays in the
                # cluster; a replacement under the same name would remove the new one; and how a cluster was born is
                # read once, so a later change of it must not count as one.
                protect=locked,
                retain_on_delete=locked,
                delete_before_replace=True,
                ignore_changes=["spec.bootstrap", "spec.externalClusters"],
            ),
        )
        k8s.apiextensions.CustomResource(
            naming.logical(args.system, "backup", "nightly"),
            api_version=_API,
            kind="ScheduledBackup",
            metadata=_metadata(args, naming.cluster(args.system)),
            spec={
                # Six fields: seconds first.
                "schedule": "0 0 1 * * *",
                "method": "barmanObjectStore",
                "backupOwnerReference": "self",
                "cluster": {"name": naming.cluster(args.system)},
            },
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[cluster],
                protect=locked,
                retain_on_delete=locked,
                delete_before_replace=True,
            ),
        )
        metrics_service(
            naming.logical(args.system, "service", "db-metrics"),
            _metadata(args, naming.database_metrics(args.system)),
            labels.of_instances(naming.cluster(args.system)),
            DATABASE_PORT,
            # It holds nothing; but a refused `destroy` takes first what is not protected.
            pulumi.ResourceOptions(parent=self, protect=locked),
        )
        self.name = cluster.metadata["name"]
        self.register_outputs({"name": self.name})


_ENCRYPTED_ONLY: Final = "hostnossl all all all reject"
_WAIT: Final = {"pulumi.com/waitFor": "condition=Ready", "pulumi.com/timeoutSeconds": "600"}


def _metadata(args: PostgresClusterArgs, name: str) -> dict[str, Any]:
    return {"name": name, "namespace": naming.data_namespace(args.system), "labels": args.labels}


def _cluster(args: PostgresClusterArgs) -> dict[str, Any]:
    return {
        "instances": args.instances,
        "imageName": args.image,
        "imagePullPolicy": "IfNotPresent",
        "storage": {"size": args.storage, "storageClass": args.storage_class},
        "resources": args.size.resources(),
        **spreading.database(args.asked, naming.cluster(args.system), args.pool),
        "enablePDB": args.instances > 1,
        "enableSuperuserAccess": False,
        "backup": {"barmanObjectStore": args.backup.spec(), "retentionPolicy": f"{BACKUP_DAYS}d"},
        **_birth(args),
        "managed": {
            "roles": [
                {
                    "name": naming.MIGRATION_ROLE,
                    "ensure": "present",
                    "login": True,
                    "replication": True,
                    "inRoles": ["pg_create_subscription", args.system],
                    "passwordSecret": {"name": naming.migration_secret(args.system)},
                }
            ]
        },
        "postgresql": {
            **_following(args),
            # The operator's own lines come first and let in its sockets and its certificates; its last one would let in
            # whoever has a password, unencrypted too. The first line that fits decides, and this one stands between.
            "pg_hba": [_ENCRYPTED_ONLY],
            "parameters": {
                "max_connections": str(CONNECTIONS_MAX),
                "shared_buffers": "256MB",
                # One subscription copies tables in parallel beside its own applying worker.
                "max_logical_replication_workers": "8",
                "max_sync_workers_per_subscription": "4",
                "max_replication_slots": "16",
                "max_wal_senders": "16",
                # The operator's default, said here because the way back needs it.
                "wal_level": "logical",
            },
        },
    }


def _birth(args: PostgresClusterArgs) -> dict[str, Any]:
    """Return how it is born: empty, or from the files of the one server that a mover keeps for it."""
    cluster = naming.cluster(args.system)
    owned = {"database": args.system, "owner": args.system, "secret": {"name": naming.owner_secret(args.system)}}
    if args.seed is None:
        # The source's: with another order of letters, indexes and ORDER BY would not say the same.
        locale = {"encoding": "UTF8", "localeCollate": args.locale, "localeCType": args.locale}
        return {"bootstrap": {"initdb": {**owned, **locale}}}
    host, port = args.seed
    # Written by the mover with the copy; the certificate is the copy's own, so that no other server is taken for it.
    secret = seeding.secret(cluster)
    copy = {
        "name": seeding.ORIGIN,
        "connectionParameters": {"host": host, "port": str(port), "user": seeding.ROLE, "sslmode": "verify-full"},
        "password": {"name": secret, "key": seeding.PASSWORD_KEY},
        "sslRootCert": {"name": secret, "key": seeding.AUTHORITY_KEY},
    }
    return {"bootstrap": {"pg_basebackup": {"source": seeding.ORIGIN, **owned}}, "externalClusters": [copy]}


def _following(args: PostgresClusterArgs) -> dict[str, Any]:
    """Return how replicas follow: by quorum, what is acknowledged lies on two hosts; otherwise a moment later."""
    if args.asked is None or args.asked.postgres_sync != "quorum" or args.instances == 1:
        return {}
    # Required: without any replica writes wait, for to answer would be to promise what one host alone keeps.
    return {"synchronous": {"method": "any", "number": 1, "dataDurability": "required"}}
