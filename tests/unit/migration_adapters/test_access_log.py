"""Who answered a request is read from the site's own access logs; absence is evidence where presence was seen."""

from __future__ import annotations

import dataclasses
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import pytest

from migration.adapters.access_log import AccessLog
from migration.adapters.site_client import SiteClient
from migration.errors import StepFailed
from migration.model.words import Severity, Side
from tests.unit.migration_adapters.test_modules import module
from tests.unit.migration_adapters.test_moves import Still, context

__all__ = ["context"]


class Here:
    """Runs the commands for the edge host in a shell of this machine."""

    def run(self, host: str, argv: Sequence[str], **_: Any) -> str:
        assert argv[:2] == ["sudo", "-n"]
        return subprocess.run(argv[2:], check=True, capture_output=True, text=True, timeout=120).stdout


class Late(Still):
    """A clock during whose waiting the web server may note something."""

    def __init__(self, then: Callable[[], object] = lambda: None) -> None:
        super().__init__()
        self._then = then

    def sleep(self, seconds: float) -> None:
        self._then()


class Citizen:
    """Asks a site that notes its requests in the given log, if any."""

    def __init__(self, log: Path | None, status: int = 200) -> None:
        self.log, self.status = log, status

    def get(self, path: str) -> tuple[int, bytes]:
        if self.log:
            with self.log.open("a") as stream:
                stream.write(f'198.51.100.9 - - "GET {path} HTTP/1.1" {self.status}\\x41 \\n\n')
        return self.status, b""


def log_of(context: Any, *files: Path, clock: Still | None = None) -> AccessLog:
    traffic = context.facts.traffic.model_copy(update={"access_logs": [str(file) for file in files]})
    changed = dataclasses.replace(context, facts=context.facts.model_copy(update={"traffic": traffic}))
    return AccessLog(changed, cast("Any", Here()), clock or Late())


def asked(log: Path | None, status: int = 200) -> SiteClient:
    return cast("SiteClient", Citizen(log, status))


@pytest.fixture
def logs(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("portal log.log", "--other.log"):
        (tmp_path / name).write_text("an older request\n" * 6_000)
    return tmp_path / "portal log.log", tmp_path / "--other.log"


def test_a_request_is_found_in_any_log_of_the_site(context: Any, logs: tuple[Path, Path]) -> None:
    for log in logs:
        assert log_of(context, *logs).trace(asked(log), Side.SOURCE) == []
        (told,) = log_of(context, *logs).trace(asked(log), Side.TARGET)
        assert told == "a marked request was seen by the source's web server"
    assert log_of(context, *logs).trace(asked(None), Side.TARGET) == []
    assert log_of(context, *logs).blind(asked(logs[1])) is None


def test_a_request_that_is_noted_a_moment_later_is_found(context: Any, logs: tuple[Path, Path]) -> None:
    citizen, late = Citizen(None), list[str]()
    log = log_of(context, logs[0], clock=Late(lambda: logs[0].write_text(late[0])))
    real = citizen.get
    citizen.get = lambda path: (late.append(f"GET {path}\n"), real(path))[1]  # type: ignore[method-assign]
    assert log.trace(cast("SiteClient", citizen), Side.SOURCE) == []


@pytest.mark.parametrize("status", [200, 503])
def test_a_site_that_notes_nothing_would_prove_everything_and_blocks(
    status: int, context: Any, logs: tuple[Path, Path]
) -> None:
    found = log_of(context, *logs).blind(asked(None, status))
    assert found is not None
    assert (found.severity, found.code) == (Severity.BLOCKER, "access-log-blind")
    assert str(logs[0]) in found.what


def test_a_log_that_cannot_be_read_is_no_proof_of_absence(context: Any, logs: tuple[Path, Path]) -> None:
    missing = logs[0].with_name("gone.log")
    with pytest.raises(StepFailed) as failed:
        log_of(context, logs[0], missing).trace(asked(None), Side.TARGET)
    assert failed.value.code == "access-log-unread"
    assert "gone.log" in failed.value.why
    blind = log_of(context, missing).blind(asked(None))
    assert blind is not None
    assert "gone.log" in blind.what


LOGS = """# configuration file /etc/nginx/nginx.conf:
http { access_log /var/log/nginx/all.log main buffer=32k; include sites-enabled/*;
}
# configuration file /etc/nginx/sites-enabled/portal.conf:
server { listen 443 ssl; access_log /srv/log/portal.log; access_log syslog:server=198.51.100.1;
    location /health { access_log off; } location /api { access_log /srv/log/api.log; } }
# configuration file /etc/nginx/sites-enabled/other.conf:
server { listen 443 ssl; }
"""


def test_the_survey_names_every_file_in_which_a_request_may_be_noted() -> None:
    nginx = module("dcshift_nginx")
    found = {Path(file).stem: sorted(logs) for file, logs in nginx.access_logs(LOGS).items()}
    assert found == {
        "portal": ["/srv/log/api.log", "/srv/log/portal.log", "/var/log/nginx/all.log"],
        "other": ["/var/log/nginx/all.log"],
    }
    said_nothing = LOGS.replace("access_log /var/log/nginx/all.log main buffer=32k;", "")
    assert sorted(nginx.access_logs(said_nothing)["/etc/nginx/sites-enabled/other.conf"]) == [nginx.DEFAULT_LOG]
