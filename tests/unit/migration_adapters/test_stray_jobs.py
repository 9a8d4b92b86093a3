"""What is scheduled at the source and declared by nobody is found wherever a user's jobs can be."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from catalogue.load import load
from migration.adapters import survey
from migration.model.inventory import StrayJobFacts
from migration.model.words import Severity
from tests.unit.migration_adapters.test_modules import module
from tests.unit.migration_adapters.test_moves import context, jobs

__all__ = ["context"]

KNOWN = [["reconcile_payments"], ["manage.py", "get_email"]]
EXAMPLE = Path(__file__).parents[3] / "catalogue" / "khanh-hoa"


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("* * * * * /usr/local/bin/portal-manage reconcile_payments", False),
        ("# dcshift-disarmed @7 * * * * * portal-manage reconcile_payments", False),
        ("PATH=/usr/bin", False),
        (" MAILTO = ''", False),
        ("# 5 4 * * * an old remark", False),
        ("   ", False),
        ("5 4 * * * portal-manage clear_sessions", True),
        ("@reboot X=1 portal-manage warm_cache", True),
        ("*/5 * * * * python manage.py --quiet get_email", True),
    ],
)
def test_a_line_is_stray_if_it_runs_something_that_nobody_declared(line: str, found: bool) -> None:
    assert module("dcshift_cron").stray([line], KNOWN) == ([line] if found else [])


def test_the_host_own_crontabs_are_read_for_the_user_alone() -> None:
    files = [
        ("/etc/crontab", "SHELL=/bin/sh\n17 * * * * root run-parts /etc/cron.hourly\n"),
        ("/etc/cron.d/app", "5 4 * * * portal cleanup\n@daily portal rotate\n* * * * * portal x reconcile_payments\n"),
        ("/etc/cron.d/other", "5 4 * * * feedback portal cleanup\n# 1 1 * * * portal old\n"),
    ]
    found = module("dcshift_cron").stray_of_system(files, "portal", KNOWN)
    assert found == [("/etc/cron.d/app", "5 4 * * * portal cleanup"), ("/etc/cron.d/app", "@daily portal rotate")]


def test_the_survey_looks_at_the_web_service_user_and_knows_the_jobs_of_every_system() -> None:
    systems = load(EXAMPLE).systems
    asked: Any = survey.variables(systems)["cron_jobs_surveyed"]
    for system in systems:
        (unit,) = [one for one in asked if one["system"] == system.id and "unit" in one]
        assert (unit["unit"], unit["words"]) == (system.source.web.service, {})
        assert survey.command_words(system.jobs[0]) in unit["known"]
    assert len({str(one["known"]) for one in asked}) == 1, "both systems live on one host"


@pytest.mark.parametrize(
    ("left_behind", "blocked"), [([], True), (["* clear_sessions*"], False), (["clear_sessions"], True)]
)
def test_a_stray_job_blocks_until_somebody_decides(left_behind: list[str], blocked: bool, context: Any) -> None:
    line = "5 4 * * * portal-manage clear_sessions --all"
    stray = StrayJobFacts(host="app1", user="portal", where="crontab", line=line)
    source = context.system.source.model_copy(update={"jobs_left_behind": left_behind})
    changed = dataclasses.replace(
        context,
        system=context.system.model_copy(update={"source": source}),
        facts=context.facts.model_copy(update={"stray_jobs": [stray]}),
    )
    found = [one for one in jobs(changed, armed=True, suspended=True).check() if one.code == "job-undeclared"]
    assert [one.severity for one in found] == ([Severity.BLOCKER] if blocked else [])
    for one in found:
        assert line in one.what
        assert "source.jobs_left_behind of portal" in one.next


class NoBus:
    """A host whose systemd does not answer."""

    def run_command(self, _: object) -> tuple[int, str, str]:
        return 1, "", "Failed to connect to bus"

    def fail_json(self, *, msg: str) -> None:
        raise SystemExit(msg)


def test_a_user_that_systemd_does_not_tell_is_not_taken_for_root() -> None:
    with pytest.raises(SystemExit, match=r"User of portal.* cannot be read: Failed to connect to bus"):
        module("dcshift_cron").shown(NoBus(), "portal.service", "User")


class Systemd(NoBus):
    """A host whose systemd knows one unit, which names no user."""

    def run_command(self, argv: object) -> tuple[int, str, str]:
        assert isinstance(argv, list)
        told = {"--property=LoadState": "loaded" if argv[-1] == "portal.service" else "not-found"}
        return 0, told.get(argv[2], "") + "\n", ""


def test_a_unit_that_is_not_there_is_not_taken_for_roots() -> None:
    assert module("dcshift_cron").user_of(Systemd(), "portal.service") == "root"
    with pytest.raises(SystemExit, match=r"portall\.service is not known: systemd calls it not-found"):
        module("dcshift_cron").user_of(Systemd(), "portall.service")
