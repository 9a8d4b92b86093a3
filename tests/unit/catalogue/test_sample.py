"""The entry by which the design explains the catalogue is read as it is written; what it lacks has a default."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
import yaml

from catalogue import volumes
from catalogue.load import digest, load
from catalogue.system import System
from infra import config
from infra.errors import ConfigError
from tests.support.declared import build
from tests.unit.catalogue.everything import EXAMPLE, dumped

SAMPLE = """\
apiVersion: dcshift/v1
id: portal                      # DNS-1123, ≤ 20 characters, for ever
name: {vi: Cổng dịch vụ công trực tuyến, en: Online public-service portal}
level: 3                        # security level 1..5; everything a level demands is derived, never written here
owner: {agency: vpubnd, group: portal-admin}
decision: {number: 123/QĐ-UBND, date: 2026-03-01, expires: 2028-03-01}
data: {classes: [public, personal]}
exposure: internet              # internet | government-network | internal
objectives: {rto: 4h, read_only_max: 60s, write_hold_max: 5s}
web: {image: portal, host: dichvucong, port: 8000, health: /healthz, replicas: 2}
database: {engine: postgres, major: 17, storage: 20Gi, extensions: [pg_trgm]}
files: [{name: uploads, kind: bucket}, {name: templates, kind: volume, storage: 5Gi}]
jobs: [{name: payment-reconcile, schedule: "*/15 * * * *", command: [manage, reconcile_payments], max_overlap: 0}]
integrations: [ndxp, payment-platform, feedback]
source:                         # where it lives today, by inventory host
  web: {host: app1, service: portal.service}
  database: {host: db1, name: portal}
  files: {uploads: {host: files1, path: /srv/portal/uploads}, templates: {host: app1, path: /opt/portal/templates}}
  jobs: {payment-reconcile: {host: app1, crontab: portal}}
  traffic: {host: edge1, site: dichvucong}
wave: 1
"""
IMAGE = f"8.0.1@sha256:{'a' * 64}"


def _province(tmp_path: Path, sample: str) -> Path:
    """Write the sample beside a feedback system and a province that know what it integrates with."""
    names = {"vi": "Nền tảng", "en": "Platform"}
    for file in EXAMPLE.glob("*.yaml"):
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        if file.stem == "province":
            content["target"]["shared_storage_class"] = "cephfs-retain"
            content["national_endpoints"] = [
                {"id": name, "name": names, "host": f"{name}.example"} for name in ("ndxp", "payment-platform")
            ]
        if file.stem == "feedback":
            content["integrations"] = ["portal"]
        (tmp_path / file.name).write_text(dumped(content), encoding="utf-8")
    (tmp_path / "portal.yaml").write_text(sample, encoding="utf-8")
    return tmp_path


def test_the_sample_is_read_as_it_is_written(tmp_path: Path) -> None:
    (uploads, templates) = load(_province(tmp_path, SAMPLE)).system("portal").files
    assert (uploads.kind, templates.kind, templates.storage) == ("bucket", "volume", "5Gi")


def test_what_it_leaves_out_has_a_default(tmp_path: Path) -> None:
    system = load(_province(tmp_path, SAMPLE)).system("portal")
    assert (system.web.release, system.web.ready) == (None, "/healthz")
    assert (volumes.path(system, system.files[1]), system.files[1].access) == ("/opt/portal/templates", "many-pods")


def test_a_written_default_makes_no_other_catalogue(tmp_path: Path) -> None:
    read = System.model_validate(yaml.safe_load(SAMPLE))
    more = SAMPLE.replace("health: /healthz,", "health: /healthz, ready: /healthz,")
    written = System.model_validate(yaml.safe_load(more))
    assert digest(read) == digest(written)
    assert read.decision.date == datetime.date(2026, 3, 1)


def test_which_release_runs_is_said_by_the_stack_where_the_file_does_not(tmp_path: Path) -> None:
    folder = _province(tmp_path, SAMPLE)
    with pytest.raises(ConfigError, match="nothing says which release of portal runs") as refused:
        build("portal", {}, catalogue=folder)
    assert "pulumi config set dcshift:release RELEASE --stack portal" in str(refused.value)
    for told in ({"release": "8.0.1"}, {"image": IMAGE}):
        settings = build("portal", told, catalogue=folder).settings
        assert isinstance(settings, config.Settings)
        assert settings.deployed_release == "8.0.1"
