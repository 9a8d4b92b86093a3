"""The project's own Ansible modules, as plain functions."""

from __future__ import annotations

import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.ansible import PLAYBOOKS
from migration.model.inventory import FilesFacts


def module(name: str) -> Any:
    """Load a module of playbooks/library without Ansible, which may not be imported here."""
    for path in ("ansible", "ansible.module_utils", "ansible.module_utils.basic"):
        stub = types.ModuleType(path)
        stub.AnsibleModule = object  # type: ignore[attr-defined]
        sys.modules[path] = stub
    try:
        spec = importlib.util.spec_from_file_location(name, PLAYBOOKS / "library" / f"{name}.py")
        assert spec is not None
        assert spec.loader is not None
        loaded = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(loaded)
        return loaded
    finally:
        for path in [path for path in sys.modules if path.split(".")[0] == "ansible"]:
            del sys.modules[path]


CRONTAB = [
    "# * * * * * /usr/local/bin/portal-manage reconcile_payments  (an old remark)",
    "* * * * * /usr/local/bin/portal-manage reconcile_payments 2>&1 | /usr/bin/logger -t portal-reconcile_payments",
    "0 3 * * * /usr/local/bin/portal-manage clear_sessions",
]


def test_disarming_and_arming_is_the_identity_and_repeats_to_itself() -> None:
    cron = module("dcshift_cron")
    place = cron.find(CRONTAB, "pay", ["reconcile_payments"])
    assert place == 1
    disarmed = cron.changed_line(CRONTAB[1], "disarmed", 1_795_514_410.7)
    assert disarmed == "# dcshift-disarmed @1795514410 " + CRONTAB[1]
    assert cron.changed_line(disarmed, "disarmed", 1_795_514_999) == disarmed
    assert (cron.disarmed_at(disarmed), cron.disarmed_at(CRONTAB[1])) == (1_795_514_410, None)
    assert cron.changed_line(disarmed, "armed") == cron.changed_line(CRONTAB[1], "armed") == CRONTAB[1]
    assert cron.find([CRONTAB[0], disarmed], "pay", ["reconcile_payments"]) == 1


def test_a_line_disarmed_by_an_earlier_version_gets_its_moment_and_loses_nothing() -> None:
    cron = module("dcshift_cron")
    nightly = "@daily /usr/local/bin/portal-manage clear_sessions"
    old = f"# dcshift-disarmed {nightly}"
    assert cron.disarmed_at(old) is None
    assert cron.changed_line(old, "disarmed", 7) == f"# dcshift-disarmed @7 {nightly}"
    assert cron.changed_line(old, "armed") == nightly


@pytest.mark.parametrize(("second", "wait"), [(0, 5), (4.5, 0.5), (5, 0), (54.9, 0), (55, 10), (59.5, 5.5)])
def test_a_crontab_is_not_changed_while_cron_may_just_be_reading_it(second: float, wait: float) -> None:
    assert module("dcshift_cron").seconds_to_calm(1_795_514_400 + second) == wait


def test_a_job_is_exactly_one_line() -> None:
    cron = module("dcshift_cron")
    for lines, count in ((CRONTAB[2:], 0), ([*CRONTAB, CRONTAB[1]], 2)):
        with pytest.raises(ValueError, match=f"job pay: {count} lines run 'reconcile_payments', exactly one must"):
            cron.find(lines, "pay", ["reconcile_payments"])


NGINX = """# configuration file /etc/nginx/nginx.conf:
http { server_tokens off; # a remark; with a semicolon
    include /etc/nginx/sites-enabled/*;
}
# configuration file /etc/nginx/sites-enabled/portal.conf:
server { listen 80; server_name dichvucong.example; return 301 https://$host$request_uri; }
server {
    listen 443 ssl http2; listen [::]:443 ssl;
    server_name dichvucong.example www.dichvucong.example;
    ssl_certificate /etc/nginx/tls/portal.pem; ssl_certificate_key /etc/nginx/tls/portal.key;
    location / { proxy_pass http://198.51.100.12:8000; server_name wrong.example; }
}
"""


def test_nginx_is_read_as_it_would_load_it() -> None:
    nginx = module("dcshift_nginx")
    found = nginx.servers(NGINX)
    assert [file for file, _ in found] == ["/etc/nginx/sites-enabled/portal.conf"] * 2
    plain, tls = (directives for _, directives in found)
    assert (plain["listen"], tls["ssl_certificate"]) == ([["80"]], [["/etc/nginx/tls/portal.pem"]])
    assert tls["server_name"] == [["dichvucong.example", "www.dichvucong.example"]]
    assert [nginx.port(words) for words in tls["listen"]] == [443, 443]
    assert [nginx.port([text]) for text in ("80", "198.51.100.14", "localhost:8080")] == [80, 80, 8080]


def test_a_verifier_is_what_postgresql_stores(tmp_path: Path) -> None:
    role = module("dcshift_postgres_role")
    # The example exchange of RFC 7677: user "user", password "pencil"; its keys follow from salt and iterations.
    stored = role.verifier("pencil", b"[m\x99h\x9d\x12]h\x0fB\x1eBk\x86\x06\x84", 4096)
    assert stored.startswith("SCRAM-SHA-256$4096:")
    assert role.same("pencil", stored)
    assert not role.same("pencils", stored)
    assert not role.same("pencil", "")
    assert not role.same("pencil", "md5abc")


def test_a_tree_that_cannot_be_read_is_an_error_and_what_is_no_file_is_named(tmp_path: Path) -> None:
    host = module("dcshift_host")
    root = tmp_path / "set"
    (root / "a").mkdir(parents=True)
    (root / "a" / "tệp").write_text("12345")
    for name, leads_to in (("dir", "a"), ("file", "a/tệp"), ("lost", "b"), ("out", ".."), ("root", ".")):
        (root / name).symlink_to(leads_to)
    os.link(root / "a" / "tệp", root / "again")
    os.mkfifo(root / "pipe")
    seen = host.tree(str(root), 10)
    assert (seen["files"], seen["size_bytes"], seen["hard_linked_files"]) == (2, 10, 2)
    assert (seen["special_files"], seen["special_files_count"]) == (["pipe"], 1)
    assert {link["path"]: link["to"] for link in seen["links"]} == {
        **{"dir": "folder", "file": "file", "lost": "nothing", "out": "outside", "root": "folder"},
    }
    assert seen["links_count"] == 5
    assert len(host.tree(str(root), 2)["links"]) == 2
    FilesFacts.model_validate({"host": "files1", "path": str(root), **seen})
    with pytest.raises(OSError, match="nothing"):
        host.tree(str(tmp_path / "nothing"), 10)
