"""Reads the whole source in one playbook into the inventory; it never fills a gap with a guess."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, cast

from pydantic import ValidationError

from catalogue.load import Catalogue
from catalogue.system import Job, SourceWeb, SourceWorker, System
from migration.errors import StepFailed
from migration.model.inventory import (
    DatabaseFacts,
    FilesFacts,
    HostFacts,
    Inventory,
    JobFacts,
    ServiceFacts,
    StrayJobFacts,
    SystemFacts,
    TrafficFacts,
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


def _known(systems: Iterable[System], host: str) -> list[list[str]]:
    """Return the words of every job that the catalogue declares on a host."""
    return [
        words
        for system in systems
        for (at, _), jobs in crontabs(system).items()
        if at == host
        for words in jobs.values()
    ]


def _services(system: System) -> dict[str, SourceWeb | SourceWorker]:
    """Return where each service of systemd is, by its part of the system."""
    source = system.source
    return {"web": source.web, **{_worker(name): place for name, place in source.workers.items()}}


def _worker(name: str) -> str:
    return f"worker {name}"


def variables(systems: Sequence[System]) -> dict[str, Json]:
    """Return what survey.yml asks each host for."""
    asked: dict[str, list[dict[str, Any]]] = {
        name: []
        for name in (
            "postgres_source_surveyed",
            "file_tree_surveyed",
            "cron_jobs_surveyed",
            "service_surveyed",
            "gate_surveyed",
        )
    }
    for system in systems:
        source, me = system.source, {"system": system.id}
        asked["postgres_source_surveyed"].append({**me, "host": source.database.host, "name": source.database.name})
        for part, place in _services(system).items():
            asked["service_surveyed"].append({**me, "part": part, "host": place.host, "service": place.service})
        asked["gate_surveyed"].append({**me, "host": source.traffic.host, "site": source.traffic.site})
        for name, files in source.files.items():
            asked["file_tree_surveyed"].append({"name": f"{system.id}/{name}", "host": files.host, "path": files.path})
        for (host, user), words in crontabs(system).items():
            known = _known(systems, host)
            asked["cron_jobs_surveyed"].append({**me, "host": host, "user": user, "words": words, "known": known})
        # The user of the web service may have jobs that nobody thought of, above all where none is declared.
        web = {"host": source.web.host, "unit": source.web.service, "words": {}}
        asked["cron_jobs_surveyed"].append({**me, **web, "known": _known(systems, source.web.host)})
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
    services = {
        part: ServiceFacts.model_validate(
            {"host": place.host, "service": place.service, **results[place.host]["services"][system.id][part]}
        )
        for part, place in _services(system).items()
    }
    site = results[source.traffic.host]["traffic"][system.id]
    jobs = {}
    for name, place in source.jobs.items():
        seen = results[place.host]["jobs"][system.id][place.crontab]["jobs"][name]
        jobs[name] = JobFacts(host=place.host, user=place.crontab, line=seen["line"], armed=seen["armed"])
    stray = [
        StrayJobFacts.model_validate({"host": host, "user": user, **one})
        for host in sorted({source.web.host, *(place.host for place in source.jobs.values())})
        for user, said in sorted(results[host]["jobs"][system.id].items())
        for one in said["stray"]
    ]
    return SystemFacts(
        database=DatabaseFacts.model_validate({"host": source.database.host, **database}),
        files={
            name: FilesFacts.model_validate({"host": place.host, **results[place.host]["files"][f"{system.id}/{name}"]})
            for name, place in source.files.items()
        },
        jobs=jobs,
        stray_jobs=stray,
        web=services["web"],
        workers={name: services[_worker(name)] for name in source.workers},
        traffic=TrafficFacts.model_validate({"host": source.traffic.host, "site": source.traffic.site, **site}),
    )
