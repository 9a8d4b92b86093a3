"""The places of one move, whatever works on them, and what the present says against a plan."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from catalogue.load import Catalogue, load
from catalogue.system import System
from catalogue.target import TargetContract
from migration import checks, store
from migration.errors import UsageError
from migration.model.context import SystemContext
from migration.model.inventory import Inventory
from migration.model.plan import Step
from migration.model.words import Finding, RunId, Severity, Stage
from migration.places import CHECKOUT, Places
from migration.ports import Clock, Cluster, Moves
from migration.stages.registry import handler
from migration.store import Pinned
from migration.wiring.contracts import read, usable

if TYPE_CHECKING:
    from migration.adapters.ansible import AnsiblePlaybooks
    from migration.adapters.drill_record import DrillRecord
    from migration.adapters.ssh import WarmSsh
    from migration.journal import Journal
    from migration.model.drilled import Drilled


@dataclass(frozen=True)
class Workspace(Places):
    """The places of one move, and whatever works on them."""

    def pulumi_variables(self) -> dict[str, str]:
        """Return what pulumi lacks in our environment. Raises `UsageError` as `from_environment` does."""
        from migration.adapters.pulumi import environment

        folder = CHECKOUT / "build" / "pulumi"
        self.assert_records_of_this_centre(folder)
        variables = environment(os.environ, folder, self.kubeconfig, Path(sys.prefix))
        return {**variables, "DCSHIFT_CATALOGUE": str(self.catalogue_folder.absolute())}

    @cached_property
    def clock(self) -> Clock:
        from migration.adapters.clock import SystemClock

        return SystemClock()

    @cached_property
    def cluster(self) -> Cluster:
        from migration.adapters.kubernetes import KubernetesCluster

        return KubernetesCluster(self.kubeconfig)

    @cached_property
    def playbooks(self) -> AnsiblePlaybooks:
        from migration.adapters.ansible import AnsiblePlaybooks

        self._assert_inventory_file()
        return AnsiblePlaybooks(self.inventory_file, self.private(self.state))

    @cached_property
    def remote(self) -> WarmSsh:
        from migration.adapters.ssh import WarmSsh

        self._assert_inventory_file()
        return WarmSsh(self.inventory_file)

    def journal(self) -> Journal:
        """Open the journal, made if missing."""
        from migration.adapters.clock import is_alive
        from migration.journal import Journal

        return Journal(self.private(self.state) / "journal.sqlite", self.clock, is_alive)

    def catalogue(self) -> Catalogue:
        """Read the catalogue; raises `CatalogueError` with all its faults."""
        return load(self.catalogue_folder)

    def inventory(self) -> Inventory:
        """Read what the last survey observed."""
        try:
            return Inventory.model_validate_json(self.observed.read_text(encoding="utf-8"))
        except FileNotFoundError as missing:
            raise UsageError(
                "no-inventory",
                what="the source was not surveyed yet",
                why=f"{self.observed} does not exist",
                state="nothing was changed",
                next="dcshift survey",
            ) from missing
        except ValidationError as bad:
            raise UsageError(
                "inventory-unreadable",
                what=f"{self.observed} is no inventory",
                why=" ".join(str(bad).split())[:400],
                state="nothing was changed",
                next="dcshift survey   writes it again",
            ) from bad

    def survey(self) -> Inventory:
        """Observe the source and keep what was seen."""
        from migration.adapters.survey import AnsibleSurveyor

        inventory: Inventory = AnsibleSurveyor(self.playbooks).survey(self.catalogue())
        self.private(self.state)
        store.write(self.observed, inventory.model_dump_json(indent=1))
        return inventory

    def contracts(self, systems: Sequence[str]) -> dict[str, TargetContract | str]:
        """Return each system's contract as the target holds it now, or the reason why it has none."""
        return read(self.cluster, systems)

    def moves(self, pinned: Pinned) -> Callable[[str, Callable[[], int]], Moves]:
        """Return the builder of a system's moves for the engine."""

        def build(system: str, token: Callable[[], int]) -> Moves:
            from migration.adapters.units import ProcessUnits
            from migration.wiring import building

            return building.moves(
                self._context(pinned, system, token),
                playbooks=self.playbooks,
                cluster=self.cluster,
                units=ProcessUnits(self.private(self.state / "units")),
                remote=self.remote,
                clock=self.clock,
            )

        return build

    def present_findings(self, pinned: Pinned, systems: Sequence[str]) -> list[Finding]:
        """Return what speaks against the plan now: catalogue, source and target compared with what it was made from."""
        now = self.clock.now()
        chosen = [pinned.catalogue.system(name) for name in systems]
        present = self.inventory() if self.observed.is_file() else None
        return [
            *checks.catalogue_findings(pinned.plan, self.catalogue().hash),
            *checks.inventory_findings(pinned.inventory, present, chosen, now),
            *self._contract_findings(pinned, systems),
            *checks.decision_findings(chosen, now),
        ]

    def _contract_findings(self, pinned: Pinned, systems: Sequence[str]) -> list[Finding]:
        there = self.contracts(systems)
        return checks.contract_findings(pinned.plan, pinned.catalogue, pinned.contracts, there, systems)

    def reach_findings(self, pinned: Pinned, systems: Sequence[str]) -> list[Finding]:
        """Return every source host of these systems that does not let us in now."""
        if not self.inventory_file.is_file():
            return []  # said by whoever needs a host
        hosts = sorted({host for name in systems for host in pinned.catalogue.system(name).source.hosts()})
        return [
            # The finding says where: its sentence need not begin with the host's name again.
            Finding(
                Severity.BLOCKER,
                failure.code,
                host,
                f"{failure.what.removeprefix(f'{host} ')}: {failure.why}",
                failure.next,
            )
            for host, failure in self.remote.refusals(hosts).items()
        ]

    def readiness_findings(self, pinned: Pinned, systems: Sequence[str]) -> list[Finding]:
        """Return what of these systems' targets is not ready to be written to, as their contracts say how to ask."""
        from migration.adapters.kubernetes import KubernetesCluster
        from migration.adapters.readiness import TargetReadiness

        cluster = KubernetesCluster(self.kubeconfig)
        asked = (TargetReadiness(pinned.contracts[name], cluster, self.ca_file) for name in systems)
        return [found for each in asked for found in each.findings()]

    def other_run_findings(self, journal: Journal, plan: str, systems: Sequence[str]) -> list[Finding]:
        """Return which of these systems another plan has moved or begun to move."""
        others = {str(run): journal.state(run) for run, other, _ in journal.runs() if other != plan}
        return checks.other_run_findings(others, systems)

    def on_their_way(self, journal: Journal) -> list[tuple[RunId, str, frozenset[str]]]:
        """Return (run, plan, systems) of every move that has begun and not ended, the oldest first."""
        found = ((run, plan, checks.on_their_way(journal.state(run))) for run, plan, _ in journal.runs())
        return [each for each in found if each[2]]

    def step_findings(self, pinned: Pinned) -> Callable[[Step, Moves], Sequence[Finding]]:
        """Return the engine's question before each attempt."""

        def ask(step: Step, moves: Moves) -> Sequence[Finding]:
            found: list[Finding] = []
            if step.stage in (Stage.PREPARE, Stage.REPLICATE):
                # Found now, a host that is gone costs nothing; found by the step, it is gone for its way back too.
                found += self.reach_findings(pinned, [step.system])
            if step.stage is Stage.PREPARE:
                # A system of a later wave is begun long after the run: its target is asked when its turn comes.
                found += self.readiness_findings(pinned, [step.system])
            if checks.blocks(found):
                return found  # the step's own check asks these hosts too, and would only name the first
            if step.stage is Stage.QUIESCE and not step.holds_users:
                # The last moment at which waiting costs nobody anything: the calendar, the targets, the connections.
                system = pinned.catalogue.system(step.system)
                found += checks.window_findings(pinned.catalogue.province, self.clock.now())
                found += self._contract_findings(pinned, [step.system])
                found += self.readiness_findings(pinned, [step.system])
                self.remote.warm(sorted(system.source.hosts()))
            return [*found, *handler(step.stage, step.component).check(moves)]

        return ask

    def drill(self, system: System, say: Callable[[str], None], *, seconds_max: float) -> Drilled:
        """Restore a backup of this system for a trial; see `migration.drill`."""
        from migration import drill
        from migration.adapters.database_access import TargetAccess
        from migration.adapters.drill_databases import DrillDatabases
        from migration.adapters.drill_room import DrillRoom
        from migration.adapters.kubernetes import KubernetesCluster

        cluster = KubernetesCluster(self.kubeconfig)
        database = usable(self.contracts([system.id]))[system.id].database
        room = DrillRoom(system.id, database, cluster, self.clock)
        access = TargetAccess(database, self.private(self.state / "systems" / system.id), cluster)
        databases = DrillDatabases(system.id, access, self.clock)
        return drill.drill(system.id, room, databases, self.clock, say, seconds_max=seconds_max)

    def keep_drill(self, system: str, document: Mapping[str, Any]) -> Path:
        """Keep what a drill found; return the file."""
        path = self.private(self.state / "drills") / f"{system}-{int(self.clock.now())}.json"
        store.write(path, json.dumps(document, ensure_ascii=False, indent=1))
        return path

    def record_drill(self, system: str, document: Mapping[str, Any]) -> str:
        """Write down in the cluster what a drill found; return where. Raises `StepFailed`."""
        return self._drill_record(system).write(document)

    def mark_failed_drill(self, system: str, why: str) -> None:
        """Say in the cluster that a drill proved the backup of no use. Raises `StepFailed`."""
        self._drill_record(system).failed(why)

    def _drill_record(self, system: str) -> DrillRecord:
        from migration.adapters.drill_record import DrillRecord
        from migration.adapters.kubernetes import KubernetesCluster

        backup = usable(self.contracts([system]))[system].database.backup
        assert backup is not None, "a drill without a place of backups ended before"
        return DrillRecord(system, backup.drill_namespace, KubernetesCluster(self.kubeconfig))

    def pin(self, pinned: Pinned) -> Path:
        """Keep a plan and make it the newest."""
        dated = dataclasses.replace(pinned, planned_at=self.clock.now())
        return store.save(self.private(self.plans), dated)

    def _context(self, pinned: Pinned, system: str, token: Callable[[], int]) -> SystemContext:
        return SystemContext(
            system=pinned.catalogue.system(system),
            contract=pinned.contracts[system],
            facts=pinned.inventory.systems[system],
            hosts=pinned.inventory.hosts,
            token=token,
            state_folder=self.private(self.state / "systems" / system),
            ca_file=self.ca_file,
        )

    def _assert_inventory_file(self) -> None:
        if not self.inventory_file.is_file():
            raise UsageError(
                "no-hosts",
                what="nobody told how the source hosts are reached",
                why=f"the Ansible inventory {self.inventory_file} does not exist",
                state="nothing was changed",
                next="export DCSHIFT_INVENTORY=inventory.yml   (in the lab: dcshift lab up)",
            )
