"""The database of a system of the fake world."""

from __future__ import annotations

from collections.abc import Sequence

from migration.model.repair import OddRows, Repaired
from migration.model.words import Facts, Probe, Progress, Proof
from migration.ports import OnProgress
from tests.support.world_parts import Part, at_target, equal, probe, verb


class Database(Part):
    @verb
    @at_target
    def prepare(self) -> Facts:
        self.state.source_role = True
        self.state.target_prepared, self.state.target_writable = True, False
        return {"role": "dcshift_migration"}

    @at_target
    def prepared(self) -> Probe:
        return probe(self.state.source_role and self.state.target_prepared)

    @verb
    @at_target
    def unprepare(self) -> None:
        self.state.source_role = False
        self.state.target_prepared, self.state.target_writable = False, True

    @verb
    @at_target
    def replicate(self, on_progress: OnProgress) -> Facts:
        self.state.slot = self.state.target_schema = True
        on_progress(Progress("rows", 1, 2, "rows"))
        self.state.target_rows = dict(self.state.source_rows)
        self.state.following = True
        return {"rows": len(self.state.target_rows)}

    @at_target
    def replicated(self) -> Probe:
        return probe(self.state.following)

    @verb
    @at_target
    def unreplicate(self) -> None:
        self.state.following = self.state.slot = self.state.target_schema = False
        self.state.target_rows, self.state.slot_rows = {}, {}

    @verb
    @at_target
    def fence(self) -> Facts:
        self.state.source_fenced = True
        return {}

    def fenced(self) -> Probe:
        return probe(self.state.source_fenced)

    @verb
    def unfence(self) -> None:
        self.state.source_fenced = False

    @verb
    def at_rest(self) -> Probe:
        if self.state.source_rows != self.state.source_at_hand_over:
            return probe(False, "somebody wrote")
        return probe(self.state.source_fenced and not self.state.source_strangers)

    @verb
    @at_target
    def hand_over(self) -> Facts:
        self.state.source_at_hand_over = dict(self.state.source_rows)
        self.state.following, self.state.target_writable = False, True
        return {"sequences": 3}

    @at_target
    def handed_over(self) -> Probe:
        return probe(self.state.target_writable and not self.state.following)

    @verb
    @at_target
    def take_back(self) -> None:
        if self.state.slot:
            self.state.following, self.state.target_writable = True, False
            self.state.target_rows.update(self.state.slot_rows)
            self.state.slot_rows = {}

    @verb
    @at_target
    def retire_stream(self) -> Facts:
        self.state.slot, self.state.slot_rows = False, {}
        return {}

    @at_target
    def stream_retired(self) -> Probe:
        return probe(not self.state.slot)

    @verb
    @at_target
    def prove(self, *, frozen: bool, seconds_max: float | None = None, values: bool = False) -> Sequence[Proof]:
        if frozen:
            limit = float("inf") if seconds_max is None else seconds_max
            self.world.clock.sleep(min(self.world.compare_seconds, limit))
            if self.world.compare_seconds > limit:
                return [Proof("rows", False, "it took too long")]
        rows = equal("rows", self.state.source_rows, self.state.target_rows)
        rest = [Proof(name, True, "equal") for name in ("sequences", "large-objects", "schema", "grants")]
        return [rows, *rest]

    @verb
    @at_target
    def odd_rows(self) -> Sequence[OddRows]:
        source, target = self.state.source_rows, self.state.target_rows
        odd = OddRows(
            "public.dossier",
            frozenset(key for key in source.keys() & target.keys() if source[key] != target[key]),
            frozenset(source.keys() - target.keys()),
            frozenset(target.keys() - source.keys()),
        )
        return [odd] if odd.keys else []

    @verb
    @at_target
    def repair(self, agreed: Sequence[OddRows]) -> Repaired:
        source, target = self.state.source_rows, self.state.target_rows
        [odd] = agreed
        still = {key for key in odd.keys if source.get(key) != target.get(key)}
        for key in still:
            target.pop(key, None)
            target.update({key: source[key]} if key in source else {})
        deleted = len(still & odd.extra)
        return Repaired(len(still) - deleted, deleted, len(odd.keys - still), 0, 0)
