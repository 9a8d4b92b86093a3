"""What the lab installs at its source, and which images it builds, is what the example province asks for."""

import re
from pathlib import Path

import pytest

from catalogue.load import load
from lab import addresses, images
from lab.apps.systems import SYSTEMS, AppSystem
from lab.target import receivers
from tests.support.declared import STACKS, built_once

CATALOGUE = load(Path(__file__).parents[2] / "catalogue" / "khanh-hoa")


@pytest.mark.parametrize("lab_system", SYSTEMS, ids=lambda system: system.name)
def test_release_port_pages_jobs_and_workers_are_the_same(lab_system: AppSystem) -> None:
    system = CATALOGUE.system(lab_system.name)
    assert system.web.release == lab_system.release
    assert system.web.port == lab_system.port
    assert tuple(system.web.pages) == lab_system.pages
    assert {name: (files.host, files.path) for name, files in system.source.files.items()} == {
        "uploads": ("files1", lab_system.uploads)
    }
    assert [(job.name, job.schedule, job.command) for job in system.jobs] == [
        (job.name, job.schedule, ["manage", job.command]) for job in lab_system.jobs
    ]
    assert [(worker.name, worker.command, worker.alive) for worker in system.workers] == [
        (worker.name, ["manage", worker.command], [worker.alive]) for worker in lab_system.workers
    ]
    assert {name: (place.host, place.service) for name, place in system.source.workers.items()} == {
        worker.name: ("app1", f"{system.id}-{worker.name}.service") for worker in lab_system.workers
    }


def test_hosts_names_and_addresses_are_the_same() -> None:
    assert set(CATALOGUE.province.source.hosts) == set(addresses.SOURCE_HOSTS)
    assert CATALOGUE.province.target.gateway_address == addresses.NODE_ADDRESS
    assert CATALOGUE.province.target.object_store == addresses.S3_ENDPOINT
    log = CATALOGUE.province.security_log
    assert log
    assert log.national
    assert {end.name: (end.address, end.port, end.protocol) for end in (log.soc, log.national)} == {
        name: (address, addresses.LOG_PORT, protocol) for name, address, protocol in receivers.SINKS.values()
    }
    sites = {system.id: f"{system.web.host}.{CATALOGUE.province.domain}" for system in CATALOGUE.systems}
    assert sites == addresses.SITES


def test_every_image_that_a_stack_asks_for_is_one_that_the_lab_builds() -> None:
    made = {name.partition(":")[0] for name in images.ALL}
    for stack in STACKS:
        text = str([each.inputs for each in built_once(stack).objects])
        assert {name for name, _ in re.findall(r"dcshift\.local/([a-z-]+):([\w.-]+)", text)} <= made, stack
    for stack, name in (("data", "pgbouncer"), ("security", "rsyslog")):
        assert images.image_name(name) in str([each.inputs for each in built_once(stack).objects])
