"""The project's own Ansible modules, as plain functions."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from migration.adapters.ansible import PLAYBOOKS
from migration.model.inventory import FilesFacts, TrafficFacts


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


ODD_NGINX = """# configuration file /etc/nginx/nginx.conf:
http { limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s; log_format m '$remote_addr'; access_log /l m;
    geo $near { default 0; 10.0.0.0/8 1; }
    include /etc/nginx/sites-enabled/*;
}
# configuration file /etc/nginx/sites-enabled/portal.conf:
server { listen 443 ssl; listen [::]:443 ssl; server_name old.example; return 301 https://portal.example$request_uri; }
server {
    listen 443 ssl default_server; listen [2001:db8::1]:8443 ssl;
    server_name portal.example www.portal.example;
    location /admin { allow 10.0.0.0/8; deny all; }
    location / { limit_req zone=z; proxy_set_header X-Real-IP $remote_addr; }
    location /.git { deny all; }
}
# configuration file /etc/nginx/sites-enabled/other.conf:
server { listen 443 ssl; server_name other.example; deny 10.9.0.1; }
"""


def test_names_listeners_and_rules_by_address_belong_to_their_site() -> None:
    nginx = module("dcshift_nginx")
    rules, sites = nginx.rules_by_address(ODD_NGINX), dict[str, Any]()
    for file, directives in nginx.servers(ODD_NGINX):
        nginx.add(sites, file, directives, rules, nginx.access_logs(ODD_NGINX))
    portal = sites["portal"]
    assert portal["server_names"] == {"old.example", "portal.example", "www.portal.example"}
    assert portal["served_names"] == {"portal.example", "www.portal.example"}
    assert (portal["ipv6_ports"], portal["default_ports"]) == ({8443}, {443})
    everywhere = {"limit_req_zone $binary_remote_addr zone=z:1m rate=9r/s", "geo $near"}
    mine = {"allow 10.0.0.0/8", "limit_req zone=z", "proxy_set_header X-Real-IP $remote_addr"}
    assert portal["by_address"] == everywhere | mine
    assert sites["other"]["by_address"] == everywhere | {"deny 10.9.0.1"}
    TrafficFacts.model_validate(
        {"host": "edge1", "site": "portal", **{k: sorted(v) for k, v in portal.items() if v}}
        | {"certificate_expires": ""}
    )


def test_a_gate_that_does_not_know_its_newest_settings_says_so(tmp_path: Path) -> None:
    source = importlib.machinery.SourceFileLoader("gate", str(PLAYBOOKS / "roles/gate/files/dcshift-gate"))
    spec = importlib.util.spec_from_loader("gate", source)
    assert spec is not None
    tool = importlib.util.module_from_spec(spec)
    source.exec_module(tool)
    (tmp_path / "certificates").mkdir()
    (tmp_path / "gate.json").write_text('{"state_folder": "/nowhere"}')
    started = 1_795_514_400
    for name in ("haproxy.cfg", "gate.lua", "certificates/portal.pem", "redirect.nft"):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (started, started + 1.5))
    gate = tool.Gate(tmp_path)
    assert tool.stale_settings(gate, started) == []
    os.utime(tmp_path / "redirect.nft", (started, started + 60))
    assert tool.stale_settings(gate, started) == [], "the gate does not read it"
    os.utime(tmp_path / "certificates/portal.pem", (started, started + 60))
    os.utime(tmp_path / "haproxy.cfg", (started, started + 60))
    assert tool.stale_settings(gate, started) == ["haproxy.cfg", "portal.pem"]
    assert tool.stale_settings(gate, started + 60) == []


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
    assert (seen["largest"] in ("a/tệp", "again"), seen["largest_bytes"]) == (True, 5)
    assert len(host.tree(str(root), 2)["links"]) == 2
    FilesFacts.model_validate({"host": "files1", "path": str(root), **seen})
    with pytest.raises(OSError, match="nothing"):
        host.tree(str(tmp_path / "nothing"), 10)
