"""Says what the log that a slot keeps may do to the source: fill its disk, or be taken away from the copy."""

from __future__ import annotations

from migration.model.words import Finding, Severity


def of_limit(where: str, megabytes: int) -> Finding:
    """Return the warning for this `max_slot_wal_keep_size` in MB; below nought there is none, as always before 13."""
    if megabytes < 0:
        what = "nothing bounds the log that a slot keeps: if the copy stays behind, the source's disk fills"
        mend = "watch the source's disk; an undo or a rerun drops the slots"
    else:
        what = f"a copy more than {megabytes:,} MB of log behind is lost (max_slot_wal_keep_size)"
        mend = "raise it if the source writes more than that meanwhile"
    return Finding(Severity.WARNING, "source-keeps-log", where, what, mend)
