"""What a security level asks of a system, typed, and which of two values asks for more; it knows no text of law."""

from __future__ import annotations

import math
from enum import Enum
from typing import Annotated, Final, Literal, TypeAlias, get_args, get_origin

from pydantic import ConfigDict, Field
from pydantic.fields import FieldInfo

from catalogue.system import Strict

Value: TypeAlias = bool | int | str | None


class Order(Enum):
    """Which way a number grows stricter."""

    MORE = "more"
    LESS = "less"


_Count = Annotated[int, Field(ge=1), Order.MORE]
_Days = Annotated[int, Field(ge=1), Order.MORE] | None
_Every = Annotated[int, Field(ge=1), Order.LESS] | None
"""A number that asks for more the smaller it is; none asks for nothing."""


class Controls(Strict):
    """Every control at one level.

    Words of a `Literal` stand from the weakest to the strictest; `none` and a missing number ask for nothing.
    """

    model_config = ConfigDict(alias_generator=lambda name: name.replace("_", "-"))

    # The place of a system: its pods and its network.
    pod_security: Literal["baseline", "restricted"]
    deny_all_ingress: bool
    deny_all_egress: bool
    egress_by_peer: bool
    data_namespace: bool
    digest_images: bool
    quotas: bool
    node_pool: Literal["shared", "exposure", "dedicated"]
    own_cluster: bool
    # Its bearing when something breaks.
    replicas_min: _Count
    disruption_budget: bool
    spread: Literal["none", "node", "zone"]
    second_site: bool
    postgres_instances_min: _Count
    postgres_sync: Literal["none", "async", "quorum"]
    postgres_pitr: bool
    postgres_remote_replica: bool
    # Its copies.
    backup_every_hours: _Every
    backup_wal_archive: bool
    backup_copies_min: _Count
    backup_object_lock: bool
    backup_offline_copy: bool
    restore_drill_every_days: _Every
    # Secrecy.
    encryption_in_transit: Literal["edge", "pod", "mutual"]
    encryption_at_rest: Literal["none", "storage", "managed-keys"]
    # Who may enter.
    access_oidc: bool
    access_mfa: bool
    access_just_in_time: bool
    access_session_record: bool
    access_two_person: bool
    # What is seen, by whom, and for how long.
    metrics: bool
    central_logs: bool
    soc_sink: bool
    audit_level: Literal["none", "metadata", "request-response"]
    ncsc_share: bool
    runtime_sensor: bool
    log_retention_days_min: _Days

    def covers(self, other: Controls) -> bool:
        """Say whether whoever satisfies these controls satisfies the others too."""
        return all(rank(name, getattr(self, name)) >= rank(name, getattr(other, name)) for name in FIELDS)


FIELDS: Final[tuple[str, ...]] = tuple(Controls.model_fields)
IDS: Final[dict[str, str]] = {str(info.alias): name for name, info in Controls.model_fields.items()}
"""Fields by the ids that norm sets write: `replicas-min` is `replicas_min`."""
WORDS: Final[dict[str, tuple[str, ...]]] = {
    name: get_args(info.annotation)
    for name, info in Controls.model_fields.items()
    if get_origin(info.annotation) is Literal
}


def rank(name: str, value: Value) -> float:
    """Return how much a value of this control asks for; only ranks of one control compare."""
    if value is None:
        return -math.inf
    if name in WORDS:
        return WORDS[name].index(str(value))
    assert not isinstance(value, str)
    return -float(value) if _ORDERS[name] is Order.LESS else float(value)


def _order(info: FieldInfo) -> Order:
    """Return the order written into a field's annotation; what has none grows with the number."""
    for part in (info.annotation, *get_args(info.annotation)):
        for meta in (*info.metadata, *getattr(part, "__metadata__", ())):
            if isinstance(meta, Order):
                return meta
    return Order.MORE


_ORDERS: Final[dict[str, Order]] = {name: _order(info) for name, info in Controls.model_fields.items()}
