"""What operators and the cluster's controllers write on what we declare, and what they make by its name; pure.

Read from their own sources, at the versions of `READ_FROM`. What they only fill in where nothing is said (a bootstrap's
locale, the probes of CloudNativePG; the rotation policy of cert-manager) is nobody's claim: who says it, owns it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from infra.render.declared import Declared

READ_FROM: Final[Mapping[str, str]] = {
    "cnpg-manager": "github.com/cloudnative-pg/cloudnative-pg v1.30.0",
    "cert-manager": "github.com/cert-manager/cert-manager v1.21.2",
    "traefik": "github.com/traefik/traefik/v3 v3.6.12",
}
"""By tool, the module in which it was looked up: another version is read again."""
CONTROLLER: Final = "its controller"
DATABASES: Final = "the databases' operator (CloudNativePG)"
CERTIFICATES: Final = "cert-manager"
DEPLOYMENTS: Final = "the controller of deployments"

Written = tuple[str, str, str]
"""Object (`KIND NAMESPACE/NAME`), field, and who writes it."""

_MADE_FIELDS: Final = ("metadata", "spec", "data", "stringData", "rules", "roleRef", "subjects")
# CloudNativePG pkg/postgres/configuration.go, FixedConfigurationParameters: its webhook refuses them, and where that is
# switched off the operator takes them out again.
_FIXED: Final = """
    allow_system_table_mods archive_cleanup_command archive_command archive_mode bonjour bonjour_name cluster_name
    config_file data_directory data_sync_retry event_source external_pid_file hba_file hot_standby ident_file
    jit_provider listen_addresses log_destination log_directory log_file_mode log_filename log_rotation_age
    log_rotation_size log_truncate_on_rotation logging_collector pg_failover_slots.primary_dsn
    pg_failover_slots.standby_slot_names port primary_conninfo primary_slot_name promote_trigger_file
    recovery_end_command recovery_min_apply_delay recovery_target recovery_target_action recovery_target_inclusive
    recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid
    restart_after_crash restore_command shared_preload_libraries ssl ssl_ca_file ssl_cert_file ssl_crl_file
    ssl_dh_params_file ssl_ecdh_curve ssl_key_file ssl_passphrase_command ssl_passphrase_command_supports_reload
    ssl_prefer_server_ciphers stats_temp_directory synchronized_standby_slots synchronous_standby_names syslog_facility
    syslog_ident syslog_sequence_numbers syslog_split_messages temp_tablespaces unix_socket_directories
    unix_socket_group unix_socket_permissions
"""
FIXED_PARAMETERS: Final = frozenset(_FIXED.split())


def written(declared: Declared, about: str) -> Iterator[Written]:
    """Yield what others write on this object (`about` is its name among claims) and on what they make by its name."""
    # Cluster, Pooler, ScheduledBackup, Certificate, Gateway, HTTPRoute and all workloads: it is never ours to say.
    yield about, "status", CONTROLLER
    metadata, spec = declared.inputs.get("metadata", {}), declared.inputs.get("spec") or {}
    place = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}"
    match declared.kind:
        case "Cluster":
            yield from ((about, field, DATABASES) for field in _of_cluster(spec))
            yield from _made(DATABASES, _beside_cluster(place, spec))
        case "Pooler":
            kinds = ("Deployment", "Service", "ServiceAccount", "Role", "RoleBinding")
            yield from _made(DATABASES, (f"{kind} {place}" for kind in kinds))
        case "Certificate":
            yield from _made(CERTIFICATES, [f"Secret {metadata['namespace']}/{spec['secretName']}"])
        case "Deployment":
            yield about, "metadata.annotations.deployment.kubernetes.io/revision", DEPLOYMENTS


def _of_cluster(spec: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"spec.postgresql.parameters.{name}" for name in FIXED_PARAMETERS)
    if not (spec.get("monitoring") or {}).get("disableDefaultQueries"):
        # It puts its own queries before those that are declared.
        yield "spec.monitoring.customQueriesConfigMap"
    if spec.get("maxSyncReplicas"):
        # Where fewer instances are asked for than must follow, it writes the old number back.
        yield "spec.instances"


def _beside_cluster(place: str, spec: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"Service {place}-{which}" for which in ("rw", "ro", "r"))
    yield from (f"PodDisruptionBudget {place}{which}" for which in ("", "-primary"))
    yield from (f"{kind} {place}" for kind in ("ServiceAccount", "Role", "RoleBinding"))
    yield from (f"Secret {place}-{which}" for which in ("ca", "server", "replication"))
    if not ((spec.get("bootstrap") or {}).get("initdb") or {}).get("secret"):
        yield f"Secret {place}-app"
    if spec.get("enableSuperuserAccess") and not spec.get("superuserSecret"):
        yield f"Secret {place}-superuser"


def _made(who: str, objects: Iterable[str]) -> Iterator[Written]:
    yield from ((each, field, who) for each in objects for field in _MADE_FIELDS)
