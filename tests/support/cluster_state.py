"""kube-state-metrics and Prometheus beside an API server of the loopback: what is written there is asked by PromQL.

Prometheus has the rules and the relabelling that the stack `platform` declares; only whom it asks, and how often, is
this test's: each second, by address instead of a name.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import yaml

from infra.monitoring.targets import PLATFORM
from lab.api_server import ApiServer
from lab.loopback import HOST, free_ports, running, unready
from lab.monitoring import checker
from lab.toolchain import tool_path
from tests.support.asking import Asker, resources_of
from tests.support.promtool import write_files

Document = dict[str, Any]
CONFIG_MAPS: Final = "configmaps"
NEEDED: Final = (CONFIG_MAPS, "daemonsets", "jobs", "namespaces", "pods", "statefulsets")
"""What kube-state-metrics must look at for our alerts; as docs/monitoring.md says."""
_OF_NO_ALERT: Final = ("__name__", "instance", "job", "uid")
_ANSWER_SECONDS_MAX: Final = 120


@dataclass(frozen=True)
class State:
    """What stands in the API server, and what Prometheus makes of it."""

    asker: Asker
    folder: Path
    kubeconfig: Path
    ports: list[int]
    """kube-state-metrics' two, and Prometheus'."""
    measuring: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def write(self, document: Document, **status: object) -> None:
        """Make an object, and say of it what a controller would."""
        answer = self.asker.apply(document)
        assert answer.status_code in (200, 201), answer.text
        if status:
            path = f"{self.asker.path(document)}/{document['metadata']['name']}/status"
            merge = {"Content-Type": "application/merge-patch+json"}
            answer = self.asker.client.patch(path, json={"status": status}, headers=merge)
            assert answer.status_code == 200, answer.text

    def born(self, document: Document) -> float:
        """Return when an object was made, in seconds since 1970."""
        answer = self.asker.client.get(f"{self.asker.path(document)}/{document['metadata']['name']}")
        return datetime.datetime.fromisoformat(answer.json()["metadata"]["creationTimestamp"]).timestamp()

    def measure(self, resources: Sequence[str]) -> None:
        """Let kube-state-metrics look at these alone, in the place of one that runs."""
        self.measuring.close()
        words = [
            str(tool_path("kube-state-metrics")), f"--kubeconfig={self.kubeconfig}",
            f"--resources={','.join(resources)}", f"--host={HOST}", f"--port={self.ports[0]}",
            f"--telemetry-host={HOST}", f"--telemetry-port={self.ports[1]}",
        ]  # fmt: skip
        log = self.folder / "kube-state-metrics.log"
        _answering(self.measuring, words, log, f"http://{HOST}:{self.ports[0]}/metrics", "kube_namespace_created{")

    def until(self, expression: str, expected: list[dict[str, str]], value: float | None = None) -> None:
        """Wait until Prometheus answers with series of these labels, all of `value` where one is given."""
        end = time.monotonic() + _ANSWER_SECONDS_MAX
        while not _fits(found := self._asked(expression), expected, value):
            assert time.monotonic() < end, f"{expression} is {found}, and not {expected} {value or ''}"
            time.sleep(0.2)

    def _asked(self, expression: str) -> list[tuple[dict[str, str], float]]:
        url = f"http://{HOST}:{self.ports[2]}/api/v1/query"
        answer = httpx.get(url, params={"query": expression}, trust_env=False, timeout=30)
        assert answer.status_code == 200, answer.text
        return [
            ({name: text for name, text in each["metric"].items() if name not in _OF_NO_ALERT}, float(each["value"][1]))
            for each in answer.json()["data"]["result"]
        ]


def _fits(found: list[tuple[dict[str, str], float]], expected: list[dict[str, str]], value: float | None) -> bool:
    labels = sorted((labels for labels, _ in found), key=str)
    return labels == sorted(expected, key=str) and all(value is None or abs(each - value) < 0.5 for _, each in found)


@contextlib.contextmanager
def state_of(api: ApiServer, folder: Path) -> Iterator[State]:
    """Run Prometheus for as long as the block, and what `measure` begins. Raises `LabError` where one is missing."""
    tool_path("kube-state-metrics")
    made = State(Asker(api.client, resources_of(api)), folder, api.kubeconfig, free_ports(3))
    url, config = f"{HOST}:{made.ports[2]}", _configured(folder, made.ports[0])
    words = [*checker("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={folder / 'series'}"]
    with contextlib.ExitStack() as stack:
        log = folder / "prometheus.log"
        _answering(stack, [*words, f"--web.listen-address={url}"], log, f"http://{url}/-/ready", "")
        stack.enter_context(made.measuring)
        yield made


def _configured(folder: Path, port: int) -> Path:
    files = folder / "files"
    files.mkdir()
    config = write_files(files) / "prometheus.yml"
    declared = yaml.safe_load(config.read_text(encoding="utf-8"))
    (job,) = [each for each in declared["scrape_configs"] if each["job_name"] == "cluster-state"]
    for named in ("dns_sd_configs", "relabel_configs"):
        del job[named]
    job["static_configs"] = [{"targets": [f"{HOST}:{port}"], "labels": {"system": PLATFORM}}]
    often = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    only = {"global": often, "rule_files": declared["rule_files"], "scrape_configs": [job]}
    config.write_text(yaml.safe_dump(only), encoding="utf-8")
    for file in files.glob("*.yml"):
        file.write_text(file.read_text(encoding="utf-8").replace("interval: 1m", "interval: 1s"), encoding="utf-8")
    return config


def _answering(stack: contextlib.ExitStack, argv: list[str], log: Path, url: str, says: str) -> None:
    server = stack.enter_context(running(argv, log))

    def ask() -> str | None:
        with contextlib.suppress(httpx.HTTPError):
            answer = httpx.get(url, trust_env=False, timeout=10)
            return None if answer.status_code == 200 and says in answer.text else answer.text[-500:]
        return "it does not answer"

    why = unready(server, log, ask, seconds_max=_ANSWER_SECONDS_MAX)
    assert why is None, why
