"""What the hosts are told: the zone, the sites, who may log in, the inventory; and it agrees with the catalogue."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml

from lab import addresses, network
from lab.apps.systems import FEEDBACK, PORTAL
from lab.command import Completed
from lab.errors import LabError
from lab.source import application, configure, database, edge
from lab.source.environments import _build_tools

_CATALOGUE = Path(__file__).parents[4] / "catalogue" / "khanh-hoa"


def test_the_zone_answers_for_both_sites_and_for_nothing_outside() -> None:
    lines = edge.zone().splitlines()
    assert "no-resolv" in lines
    for name in addresses.SITES.values():
        assert f"host-record={name},198.51.100.14,300" in lines


def test_a_site_passes_the_public_name_on_and_never_repeats_a_request() -> None:
    site = edge.site(PORTAL)
    assert "proxy_pass http://198.51.100.12:8000;" in site
    assert "proxy_set_header Host $host;" in site
    assert "proxy_set_header X-Forwarded-Proto https;" in site
    assert "proxy_next_upstream off;" in site
    assert "client_max_body_size 120m;" in site


def test_each_system_may_log_in_to_its_own_database_only_and_with_a_password() -> None:
    hosts = [line.split() for line in database.access().splitlines() if line.startswith("host")]
    remote = [words for words in hosts if words[3] != "127.0.0.1/32"]
    assert remote == [
        ["host", "portal", "portal", "198.51.100.12/32", "scram-sha-256"],
        ["host", "feedback", "feedback", "198.51.100.12/32", "scram-sha-256"],
    ]


def test_the_environment_reads_the_same_for_systemd_and_for_a_shell() -> None:
    text = application.environment(FEEDBACK, {"password": "p4", "secret_key": "k"}, "198.51.100.11")
    for line in text.splitlines():
        assert not set(line) & set(" \"'$`\\;&|"), line
    assert "PGHOST=198.51.100.11\n" in text
    assert "SIDE=source\n" in text


def test_secrets_of_a_system_are_for_root_and_the_system_alone(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/group").write_text("root:x:0:\ncrontab:x:101:\n")
    application.install_system(tmp_path, PORTAL, {"password": "p4", "secret_key": "k"}, database_host="db1")
    environment = (tmp_path / "etc/portal.env").stat()
    assert stat.S_IMODE(environment.st_mode) == 0o640
    assert (environment.st_uid, environment.st_gid) == (0, PORTAL.uid)
    tab = tmp_path / "var/spool/cron/crontabs/portal"
    assert stat.S_IMODE(tab.stat().st_mode) == 0o600
    assert "* * * * * /usr/local/bin/portal-manage reconcile_payments" in tab.read_text()
    assert (tmp_path / "etc/systemd/system/multi-user.target.wants/portal.service").is_symlink()


def test_the_inventory_names_each_host_once_and_never_skips_host_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configure, "STATE", tmp_path)
    tree = yaml.safe_load(configure.inventory().read_text())["all"]["children"]
    groups = tree["source"]["children"]
    assert {group: list(content["hosts"]) for group, content in groups.items()} == {
        "database": ["db1"],
        "application": ["app1"],
        "files": ["files1"],
        "edge": ["edge1"],
    }
    assert groups["database"]["hosts"]["db1"]["ansible_host"] == "198.51.100.11"
    assert "StrictHostKeyChecking=yes" in tree["source"]["vars"]["ansible_ssh_common_args"]
    assert tree["mover"]["hosts"]["localhost"]["ansible_connection"] == "local"


def test_known_hosts_has_the_name_and_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configure, "STATE", tmp_path)
    (tmp_path / "ssh").mkdir()
    path = configure.known_hosts({"db1": "ssh-ed25519 AAAA"})
    assert path.read_text() == "db1,198.51.100.11 ssh-ed25519 AAAA\n"


def test_only_build_tools_are_installed_before_the_rest() -> None:
    pinned = (
        "django==4.2.30 \\\n    --hash=sha256:aa\n    # via wagtail\n"
        "packaging==26.3 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n    # via gunicorn\n"
    )
    assert _build_tools(pinned).split() == [
        *("packaging==26.3", "\\", "--hash=sha256:bb", "\\", "--hash=sha256:cc"),
        *("#", "via", "gunicorn"),
    ]


def test_nothing_of_the_lab_is_forwarded_to_the_outside() -> None:
    rules = " ".join(network._RULES.split())
    assert (
        "ip saddr { 198.51.100.0/24, 198.18.0.0/15 } ip daddr != { 198.51.100.0/24, 198.18.0.0/15, 192.0.2.10 } reject"
        in rules
    )


@pytest.mark.parametrize(
    ("route", "refused"),
    [
        ({"dst": "default", "dev": "eth0"}, False),
        ({"dst": "192.0.2.0/24", "dev": "eth0"}, False),
        ({"dst": "198.51.100.0/25", "dev": "dcs-up"}, False),
        ({"dst": "198.51.100.7", "dev": "eth0"}, True),
        ({"dst": "198.51.0.0/16", "dev": "eth0"}, True),
    ],
)
def test_a_machine_that_lives_in_the_labs_network_is_refused(
    route: dict[str, str], refused: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(network, "run", lambda *_, **__: Completed((), 0, json.dumps([route]), ""))
    if not refused:
        network._guard_own_routes()
        return
    with pytest.raises(LabError) as error:
        network._guard_own_routes()
    assert error.value.code == "lab-network-in-use"
