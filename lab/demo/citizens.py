"""Citizens during the demo: starts the traffic, reads its statistics, stops it orderly; it judges nothing."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.addresses import SITES, SOURCE_HOSTS
from lab.demo.shell import environment
from lab.errors import LabError
from lab.paths import CHECKOUT, STATE

_STOP_SECONDS = 60.0


@dataclass(slots=True)
class Citizens:
    """The load generator as a process of its own; its ledger and statistics lie in `folder`."""

    folder: Path
    rate_per_second: float
    _process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def ledger(self) -> Path:
        """Return the file of acknowledged writes, one fsynced JSON line each."""
        return self.folder / "ledger.jsonl"

    @property
    def statistics(self) -> Path:
        """Return the file of counters, replaced atomically once a second."""
        return self.folder / "traffic.json"

    def start(self) -> None:
        """Start them; raises `LabError` when they get no first answer within 30 s."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for old in (self.ledger, self.statistics):
            old.unlink(missing_ok=True)
        log = (self.folder / "citizens.log").open("wb")
        argv = [sys.executable, "-m", "lab.traffic", "--systems", ",".join(SITES), "--rate", str(self.rate_per_second)]
        argv += ["--ledger", str(self.ledger), "--stats-file", str(self.statistics)]
        argv += ["--ca", str(STATE / "ca" / "ca.pem"), "--resolve", SOURCE_HOSTS["edge1"]]
        self._process = subprocess.Popen(
            argv, cwd=CHECKOUT, env=environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            if sum(int(str(system["requests"])) for system in self.read().values()) > 0:
                return
            time.sleep(0.2)
        self.stop()
        raise LabError(
            "no-citizens",
            what="the citizens got no answer from the public names within 30 s",
            why=(self.folder / "citizens.log").read_text(errors="replace")[-1500:] or "they said nothing",
            state="both data centres are up; nothing was moved",
            next=f"read {self.folder / 'citizens.log'}; dcshift lab status",
        )

    def read(self) -> Mapping[str, Mapping[str, object]]:
        """Return the latest counters by system; empty before the first."""
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            systems: Mapping[str, Mapping[str, object]] = json.loads(self.statistics.read_text())["systems"]
            return systems
        return {}

    def stop(self) -> None:
        """Let them finish what is under way and write their last counters."""
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise LabError(
                "citizens-stuck",
                what="the citizens did not stop",
                why=f"requests were still under way after {_STOP_SECONDS:.0f} s",
                state="they were killed; their last writes count as unanswered",
                next=f"read {self.folder / 'citizens.log'}",
            ) from None
