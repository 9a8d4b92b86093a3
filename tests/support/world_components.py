"""Files, jobs, web and traffic of a system of the fake world."""

from __future__ import annotations

from collections.abc import Sequence

from migration.model.words import Facts, Probe, Progress, Proof, Side
from migration.ports import OnProgress
from tests.support.world_parts import Part, at_target, equal, probe, refusal, verb


class Files(Part):
    @verb
    @at_target
    def prepare(self) -> Facts:
        self.state.files_probed = True
        return {}

    def prepared(self) -> Probe:
        return probe(self.state.files_probed)

    @verb
    def unprepare(self) -> None:
        self.state.files_probed = False

    @verb
    @at_target
    def replicate(self, on_progress: OnProgress) -> Facts:
        on_progress(Progress("files", 1, 2, "files"))
        self.state.target_files = dict(self.state.source_files)
        return {"files": len(self.state.target_files)}

    def replicated(self) -> Probe:
        return probe(bool(self.state.target_files))

    @verb
    @at_target
    def unreplicate(self) -> None:
        self.state.target_files = {}

    @verb
    @at_target
    def converge(self) -> Facts:
        self.state.target_files.update(self.state.source_files)
        return {}

    @verb
    @at_target
    def hand_over(self) -> Facts:
        self.state.target_files = dict(self.state.source_files)
        return {}

    @at_target
    def handed_over(self) -> Probe:
        return probe(self.state.source_fenced and self.state.target_files == self.state.source_files)

    @verb
    @at_target
    def take_back(self) -> None:
        return None

    @verb
    @at_target
    def prove(self, *, frozen: bool, full: bool) -> Sequence[Proof]:
        source = self.state.source_files
        target = {name: self.state.target_files[name] for name in source if name in self.state.target_files}
        if not frozen:  # a file that came during the comparison is compared again; here: it was not there yet
            source = {name: content for name, content in source.items() if name in self.state.target_files}
        return [equal("files", source, target)]


class Jobs(Part):
    @verb
    def disarm_source(self) -> Facts:
        self.state.source_jobs = False
        return {}

    def source_disarmed(self) -> Probe:
        return probe(not self.state.source_jobs)

    @verb
    def rearm_source(self) -> None:
        self.state.source_jobs = True

    @verb
    @at_target
    def arm_target(self) -> Facts:
        self.state.target_jobs = True
        return {}

    @at_target
    def target_armed(self) -> Probe:
        return probe(self.state.target_jobs)

    @verb
    @at_target
    def disarm_target(self) -> None:
        self.state.target_jobs = False

    @verb
    @at_target
    def prove(self, *, serving: Side | None) -> Sequence[Proof]:
        wanted = (serving is Side.SOURCE, serving is Side.TARGET)
        right = (self.state.source_jobs, self.state.target_jobs) == wanted
        return [Proof(name, right, f"serving: {serving}") for name in ("jobs", "workers")]


class Web(Part):
    @verb
    @at_target
    def target_ready(self) -> Probe:
        return probe(True)

    @verb
    @at_target
    def target_answers(self) -> Probe:
        return probe(True)

    @verb
    def capture_pages(self) -> Facts:
        return {"/": str(sorted(self.state.source_rows))}

    @verb
    @at_target
    def prove_pages(self, captured: Facts) -> Sequence[Proof]:
        equal = captured["/"] == str(sorted(self.state.target_rows))
        return [Proof("pages", equal, "the page / says the same")]

    @verb
    def stop_source(self) -> Facts:
        self.state.source_web = False
        return {}

    def source_stopped(self) -> Probe:
        return probe(not self.state.source_web)

    @verb
    def start_source(self) -> None:
        self.state.source_web = True


class Traffic(Part):
    def _take_turn(self) -> None:
        if self.world.gate_is_silent:
            raise refusal("gate-silent", "the edge host does not answer")
        if self.token() < self.world.gate_turns.get(self.system, 0):
            raise refusal("turn-over", f"turn {self.token()} of {self.system} is over")
        self.world.gate_turns[self.system] = self.token()

    @verb
    def install_gate(self) -> Facts:
        self.state.gate = True
        return {}

    def gate_installed(self) -> Probe:
        return probe(self.state.gate)

    @verb
    def remove_gate(self) -> None:
        self.state.gate = False

    @verb
    def hold(self) -> Facts:
        self._take_turn()
        self.state.site = "hold"
        return {}

    def held(self) -> Probe:
        self._take_turn()
        return probe(self.state.site == "hold")

    @verb
    def release_to_source(self) -> None:
        self._take_turn()
        if self.state.site == "target":
            raise refusal("already-released", "the target serves")
        self.state.site = "source"

    @verb
    def release_to_target(self) -> Facts:
        self._take_turn()
        if self.state.site not in ("hold", "target"):
            raise refusal("site-not-held", f"the gate says {self.state.site}")
        self.state.site = "target"
        return {}

    def released_to_target(self) -> Probe:
        self._take_turn()
        return probe(self.state.site == "target", f"the gate says {self.state.site}")

    @verb
    def prove(self, *, serving: Side) -> Sequence[Proof]:
        return [Proof("traffic", self.state.site == serving, f"the gate says {self.state.site}")]
