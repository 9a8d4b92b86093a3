"""Keeps a process's leases alive while it acts, and from turn to turn while they suffice; it decides nothing."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence

from migration.errors import MigrationError
from migration.journal import LEASE_SECONDS, Journal
from migration.model.lease import Busy, Holder, Lease


class Leasing:
    """The leases of one process; use as a context manager, so that they are given back whatever happens."""

    def __init__(self, journal: Journal, holder: Holder) -> None:
        self._journal, self._holder = journal, holder
        self._lease: Lease | None = None
        self._stop = threading.Event()
        self._heart: threading.Thread | None = None

    def __enter__(self) -> Leasing:
        return self

    def __exit__(self, *_: object) -> None:
        self.drop()

    @property
    def lease(self) -> Lease:
        """Return what is held; asked inside a turn only."""
        assert self._lease is not None
        return self._lease

    def token(self) -> int:
        """Return the fencing token of the turn under way; 0 outside a turn, which every host refuses."""
        return self._lease.token if self._lease else 0

    def hold(self, resources: Sequence[str]) -> Lease | Busy:
        """Hold all of these, all or nothing.

        What is held already stays held if it suffices: the steps of a freeze need the same leases, and giving them back
        in between could make citizens wait for another process.
        """
        if self._lease is not None and set(resources) <= set(self._lease.resources):
            return self._lease
        self.drop()
        taken = self._journal.take(resources, self._holder)
        if isinstance(taken, Lease):
            self._live(taken)
        return taken

    def next_turn(self) -> Lease:
        """Begin a new turn with what is held: whatever the turn before has sent out and not heard of is over.

        Each host refuses it from the first time on that it is asked under the new token. Raises `StepFailed`
        (lease-lost) when another process has taken over.
        """
        taken = self._journal.next_turn(self.lease)
        self._die()
        self._live(taken)
        return taken

    def drop(self) -> None:
        """Give everything back."""
        if self._lease is None:
            return
        self._die()
        self._journal.release(self._lease)
        self._lease = None

    def _live(self, lease: Lease) -> None:
        self._lease = lease
        self._stop = threading.Event()
        self._heart = threading.Thread(target=self._beat, args=(lease, self._stop), daemon=True)
        self._heart.start()

    def _die(self) -> None:
        self._stop.set()
        if self._heart is not None:
            self._heart.join()

    def _beat(self, lease: Lease, stop: threading.Event) -> None:
        while not stop.wait(LEASE_SECONDS / 3):
            # A lost lease needs no care here: this turn's next record is refused, and so is its token at the host.
            with contextlib.suppress(MigrationError):
                self._journal.renew(lease)
