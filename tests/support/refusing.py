"""Bad input as a person would bring it: commands typed and read, the world before and after, a store that lies."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import obstore

from lab.addresses import NODE_ADDRESS, S3_PORT
from lab.command import run
from lab.demo import shell
from lab.paths import CHECKOUT
from lab.paths import STATE as LAB
from migration.movers.s3 import Bucket
from tests.support.lying import MARK, lying_before
from tests.support.play import on, uploads

_TABLE = "dcshift_lying_store"


@dataclass(frozen=True)
class Said:
    """What a command said to a person, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err

    def assert_four_thoughts(self) -> None:
        """Fail unless what, why, state and next are all there, as an error or as findings."""
        said = self.text
        assert re.search(r"^(error|blocker)\[[a-z0-9-]+\]:? \S", said, re.MULTILINE), said
        if "error[" in said:
            assert re.search(r"^  why:   \S", said, re.MULTILINE), said
        for thought in ("state", "next"):
            assert re.search(rf"^ *{thought}: +\S", said, re.MULTILINE), (thought, said)
        assert "Traceback" not in said
        assert "fault of dcshift" not in said


@dataclass
class Person:
    """Types commands with a state folder of their own."""

    state: Path
    environment: dict[str, str] = field(default_factory=dict)

    def type(self, *words: str, timeout_seconds: float = 900, **variables: str) -> Said:
        """Run a command to its end."""
        with self._begin(words, variables) as process:
            try:
                out, err = process.communicate(timeout=timeout_seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        return self._shown(words, Said(process.returncode, out, err))

    def interrupt(self, *words: str, when: Callable[[], bool], timeout_seconds: float = 900) -> Said:
        """Run a command and press Ctrl-C, which a terminal sends to the whole process group, as soon as `when` is."""
        with self._begin(words, {}) as process:
            deadline = time.monotonic() + timeout_seconds
            while process.poll() is None and not when():
                assert time.monotonic() < deadline, "the moment for Ctrl-C never came"
                time.sleep(0.02)
            assert process.returncode is None, process.communicate()
            os.killpg(process.pid, signal.SIGINT)
            out, err = process.communicate(timeout=timeout_seconds)
        return self._shown(words, Said(process.returncode, out, err))

    def _begin(self, words: tuple[str, ...], variables: dict[str, str]) -> subprocess.Popen[str]:
        environment = {**shell.environment(), **self.environment, "DCSHIFT_STATE": str(self.state), **variables}
        return subprocess.Popen(
            [Path(sys.executable).parent / "dcshift", *words],
            cwd=CHECKOUT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    @staticmethod
    def _shown(words: tuple[str, ...], said: Said) -> Said:
        print(f"    $ dcshift {' '.join(words)}   exit {said.code}\n{said.text}", flush=True)
        return said

    def attempts(self) -> list[tuple[str, str]]:
        """Return (step, kind) of every record of the journal that speaks of a step."""
        path = self.state / "journal.sqlite"
        if not path.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            return list(database.execute("SELECT step, kind FROM event WHERE step IS NOT NULL ORDER BY id"))


_CLUSTER_WIDE = "SELECT 'slot', slot_name FROM pg_replication_slots UNION ALL SELECT 'role', rolname FROM pg_roles"
_IN_DATABASE = """SELECT 'publication', pubname::text FROM pg_publication UNION ALL SELECT 'trigger', evtname FROM
 pg_event_trigger UNION ALL SELECT 'schema', nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'"""
_IN_TARGET = """SELECT 'table', count(*)::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE relkind IN ('r', 'p', 'S', 'm') AND nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~
 '^pg_toast' UNION ALL SELECT 'subscription', count(*)::text FROM pg_subscription UNION ALL SELECT 'setting',
 setconfig::text FROM pg_db_role_setting"""


def world(system: str) -> dict[str, object]:
    """Return everything that a move of this system changes on either side before its freeze."""

    def psql(database: str, sql: str) -> list[str]:
        words = f'sudo -u postgres psql -XAt -d {database} -c "{" ".join(sql.split())}"'
        return sorted(on("db1", words).splitlines())

    def target_database() -> list[str]:
        pod = ["exec", "-n", f"httt-{system}-data", f"{system}-db-1", "-c", "postgres", "--"]
        return sorted(kubectl(*pod, "psql", "-XAt", "-d", system, "-c", _IN_TARGET).splitlines())

    edge = "sudo nft -s list ruleset; systemctl is-active haproxy; ls /etc/dcshift /etc/systemd/system"
    asked: dict[str, Callable[[], object]] = {
        "slots and roles": lambda: psql("postgres", _CLUSTER_WIDE),
        "source database": lambda: psql(system, _IN_DATABASE),
        "access rules": lambda: on("db1", "sudo md5sum /etc/postgresql/13/main/pg_hba.conf"),
        "crontab": lambda: on("app1", f"sudo crontab -l -u {system}; systemctl is-active {system}.service"),
        "gate": lambda: on("edge1", f"{edge} 2>&1 || true"),
        "target database": target_database,
        "cron jobs": lambda: kubectl(
            "get", "cronjobs", "-n", f"httt-{system}-app", "-o", "jsonpath={.items[*].spec.suspend}"
        ),
        "objects": lambda: objects(system),
    }
    with ThreadPoolExecutor(len(asked)) as pool:
        return dict(zip(asked, pool.map(lambda ask: ask(), asked.values()), strict=True))


def objects(system: str) -> int:
    """Return how many objects the bucket of this system holds."""
    return sum(len(chunk) for chunk in obstore.list(uploads(system)))


def kubectl(*words: str, input: str | None = None) -> str:
    kubeconfig = str(LAB / "target" / "kubeconfig")
    program = Path(sys.executable).with_name("kubectl")
    return run([program, "--kubeconfig", kubeconfig, *words], input=input, timeout_seconds=240).stdout


@contextlib.contextmanager
def contract_replaced(system: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Iterator[None]:
    """Put another contract in the place of a system's own, under the same owner of fields, and put its own back."""
    name = ("configmap", "dcshift-contract", "-n", f"httt-{system}-app")
    live = json.loads(kubectl("get", *name, "-o", "json", "--show-managed-fields"))
    owner = live["metadata"]["managedFields"][0]["manager"]
    kept = {key: live["metadata"][key] for key in ("name", "namespace", "labels", "annotations") if key in
            live["metadata"]}  # fmt: skip

    def put(contract: str) -> None:
        document = {**live, "metadata": kept, "data": {**live["data"], "contract.json": contract}}
        words = ("apply", "--server-side", "--force-conflicts", f"--field-manager={owner}", "-f", "-")
        kubectl(*words, input=json.dumps(document))

    own = live["data"]["contract.json"]
    put(json.dumps(change(json.loads(own))))
    try:
        yield
    finally:
        put(own)
        assert json.loads(kubectl("get", *name, "-o", "json"))["data"]["contract.json"] == own


def contract_of(system: str) -> dict[str, Any]:
    name = ("configmap", "dcshift-contract", "-n", f"httt-{system}-app")
    found: dict[str, Any] = json.loads(json.loads(kubectl("get", *name, "-o", "json"))["data"]["contract.json"])
    return found


@contextlib.contextmanager
def memory_disk(folder: Path, size: str) -> Iterator[None]:
    """Mount a small disk there."""
    folder.mkdir(parents=True, exist_ok=True)
    run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", folder])
    try:
        yield
    finally:
        run(["umount", folder])


@contextlib.contextmanager
def lying_store() -> Iterator[list[str]]:
    """Let this machine's programs talk to a store that accepts wrong checksums; yields the paths of its lies."""
    admin = json.loads((LAB / "target" / "s3.json").read_text())
    true = Bucket(admin["endpoint"], admin["region"], "", admin["access_key"], admin["secret_key"])
    with lying_before(true) as (port, lies):
        way = f"ip daddr {NODE_ADDRESS} tcp dport {S3_PORT} meta mark != {MARK} redirect to :{port}"
        rules = f"table ip {_TABLE} {{\n chain out {{\n type nat hook output priority -150;\n {way}\n }}\n}}\n"
        run(["nft", "-f", "-"], input=rules)
        try:
            yield lies
        finally:
            run(["nft", "delete", "table", "ip", _TABLE])
