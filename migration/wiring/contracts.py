"""Reads the systems' contracts as the target holds them now; a contract that cannot be used is a sentence, no error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pydantic import ValidationError

from catalogue.reading import complaints
from catalogue.target import TargetContract
from migration.errors import MigrationError, UsageError
from migration.ports import Cluster

_TOLD_MAX = 5
"""Faults of a contract that one sentence holds."""


def app_namespace(system: str) -> str:
    """Return the namespace in which a system's stack leaves its contract; the one name both sides agree on."""
    return f"httt-{system}-app"


def read(cluster: Cluster, systems: Sequence[str]) -> dict[str, TargetContract | str]:
    """Return each system's contract, or the reason why it has none."""
    found: dict[str, TargetContract | str] = {}
    for name in systems:
        try:
            found[name] = TargetContract.model_validate(cluster.read_contract(app_namespace(name)))
        except ValidationError as bad:
            said = [sentence for _, sentence in complaints(bad, "the contract")]
            more = f"; and {len(said) - _TOLD_MAX} more" if len(said) > _TOLD_MAX else ""
            found[name] = f"it is not a contract of this version: {'; '.join(said[:_TOLD_MAX])}{more}"
        except MigrationError as refused:
            found[name] = f"{refused.what} ({refused.why})"
    return found


def usable(contracts: Mapping[str, TargetContract | str]) -> dict[str, TargetContract]:
    """Return the contracts that are there; raises `UsageError` naming every one that is not."""
    missing = {name: why for name, why in contracts.items() if isinstance(why, str)}
    if missing:
        raise UsageError(
            "contract-missing",
            what=f"the target has no contract for {', '.join(sorted(missing))}",
            why="; ".join(f"{name}: {why}" for name, why in sorted(missing.items())),
            state="nothing was changed",
            next=f"pulumi up --stack {sorted(missing)[0]}",
        )
    return {name: contract for name, contract in contracts.items() if isinstance(contract, TargetContract)}
