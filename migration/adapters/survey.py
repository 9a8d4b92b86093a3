"""Reads the whole source in one playbook into the inventory; it never fills a gap with a guess."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from typing import Any, cast

from pydantic import ValidationError

from catalogue.load import Catalogue
from catalogue.system import Job, System
from migration.errors import StepFailed
from migration.model.inventory import (
    DatabaseFacts,
    FilesFacts,
    HostFacts,
    Inventory,
    JobFacts,
    SystemFacts,
    TrafficFacts,
    WebFacts,
)
from migration.model.words import Json
from migration.ports import Playbooks


def command_words(job: Job) -> list[str]:
    """Return the words by which a job's line is found in a crontab: its command without the wrapper's name."""
    words = list(job.command)
    return words[1:] if words[0] == "manage" and len(words) > 1 else words


def crontabs(system: System) -> dict[tuple[str, str], dict[str, list[str]]]:
    """Return the words of each job, by (host, owner of the crontab)."""
    found: dict[tuple[str, str], dict[str, list[str]]] = {}
    for job in system.jobs:
        place = system.source.jobs[job.name]
        found.setdefault((place.host, place.crontab), {})[job.name] = command_words(job)
    return found


def variables(systems: Iterable[System]) -> dict[str, Json]:
    """Return what survey.yml asks each host for."""
    asked: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            "postgres_source_surveyed",
            "file_tree_surveyed",
            "cron_jobs_surveyed",
            "web_service_surveyed",
            "gate_surveyed",
        )
    }
    for system in systems:
        source, me = system.source, {"system": system.id}
        asked["postgres_source_surveyed"].append({**me, "host": source.database.host, "name": source.database.name})
        asked["web_service_surveyed"].append({**me, "host": source.web.host, "service": source.web.service})
        asked["gate_surveyed"].append({**me, "host": source.traffic.host, "site": source.traffic.site})
        for name, files in source.files.items():
            asked["file_tree_surveyed"].append({"name": f"{system.id}/{name}", "host": files.host, "path": files.path})
        for (host, user), words in crontabs(system).items():
            asked["cron_jobs_surveyed"].append({**me, "host": host, "user": user, "words": words})
    return cast("dict[str, Json]", asked)


class AnsibleSurveyor:
    """Surveys the source by the playbook `survey`."""

    def __init__(
        self,
        playbooks: Playbooks,
        *,
        now: Callable[[], datetime.datetime] = lambda: datetime.datetime.now(datetime.UTC),
    ) -> None:
        self._playbooks, self._now = playbooks, now

    def survey(self, catalogue: Catalogue) -> Inventory:
        """Return everything that the catalogue's systems have at the source.

        Raises `StepFailed` when a host cannot be reached or says something that the model does not know.
        """
        hosts = sorted({host for system in catalogue.systems for host in system.source.hosts()})
        asked = variables(catalogue.systems)
        results = self._playbooks.run("survey", limit=hosts, variables=asked, timeout_seconds=300).results
        try:
            return Inventory(
                observed_at=self._now().strftime("%Y-%m-%dT%H:%M:%SZ"),
                hosts={host: HostFacts.model_validate(results[host]["host"]) for host in hosts},
                systems={system.id: facts(system, results) for system in catalogue.systems},
            )
        except (KeyError, TypeError, ValidationError) as odd:
            raise StepFailed(
                "survey-not-understood",
                what="the survey's answer is not what this version understands",
                why=str(odd)[:2_000],
                state="the source was only read",
                next="use playbooks and dcshift of one version, then: dcshift survey",
            ) from odd


def facts(system: System, results: Mapping[str, Mapping[str, Any]]) -> SystemFacts:
    """Return one system's facts out of what its hosts reported."""
    source = system.source
    database = results[source.database.host]["databases"][system.id]
    web = results[source.web.host]["web"][system.id]
    site = results[source.traffic.host]["traffic"][system.id]
    jobs = {}
    for name, place in source.jobs.items():
        seen = results[place.host]["jobs"][system.id][place.crontab][name]
        jobs[name] = JobFacts(host=place.host, user=place.crontab, line=seen["line"], armed=seen["armed"])
    return SystemFacts(
        database=DatabaseFacts.model_validate({"host": source.database.host, **database}),
        files={
            name: FilesFacts.model_validate({"host": place.host, **results[place.host]["files"][f"{system.id}/{name}"]})
            for name, place in source.files.items()
        },
        jobs=jobs,
        web=WebFacts.model_validate({"host": source.web.host, "service": source.web.service, **web}),
        traffic=TrafficFacts.model_validate({"host": source.traffic.host, "site": source.traffic.site, **site}),
    )
