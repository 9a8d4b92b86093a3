#!/usr/bin/python
"""Reads which sites nginx serves over TLS, with which names and certificates; writes only the bundles it is asked for."""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dcshift_nginx
short_description: Report nginx sites, and bundle certificate and key for the gate
description:
  - Reads C(nginx -T), so it sees what nginx would load now.
options:
  bundle_folder: {description: Where to write one file of certificate and key per site, type: path}
author: [dcshift]
"""


def directives(text):
    """Yield every part of `nginx -T` that ends in a semicolon or a brace, as (file, words, end)."""
    file = ""
    for line in text.splitlines():
        if line.startswith("# configuration file "):
            file = line.split()[3].rstrip(":")
            continue
        for part in re.findall(r"[^{};]*[{};]", re.sub(r"(^|\s)#.*", "", line)):
            yield file, part[:-1].split(), part[-1]


def servers(text):
    """Return every server block of `nginx -T` as (file, {directive: [values]}), nested blocks left out."""
    found, depth, block = [], 0, None
    for file, words, end in directives(text):
        if end == "{":
            depth += 1
            if words == ["server"]:
                block = (file, depth, {})
        elif end == "}":
            depth -= 1
            if block and depth < block[1]:
                found.append((block[0], block[2]))
                block = None
        elif words and block and depth == block[1]:
            block[2].setdefault(words[0], []).append(words[1:])
    return found


def is_redirect(block):
    """Return whether a server block sends every request elsewhere and serves nothing itself."""
    return any(words[:1] in (["301"], ["302"], ["307"], ["308"]) for words in block.get("return", []))


BY_ADDRESS = {"allow", "deny", "geo", "limit_conn", "limit_conn_zone", "limit_req", "limit_req_zone"}
LOGGING = {"access_log", "log_format"}


def rules_by_address(text):
    """Return, by file, what nginx decides by a client's address; the key None has what holds for every site."""
    found, depth, server = {}, 0, None
    for file, words, end in directives(text):
        rule = " ".join(words)
        seen = words and words[0] not in LOGGING and ("$remote_addr" in rule or "$binary_remote_addr" in rule)
        if seen or (words and words[0] in BY_ADDRESS and words[1:] != ["all"]):
            found.setdefault(file if server is not None else None, []).append(rule)
        if end == "{":
            depth += 1
            server = depth if words == ["server"] else server
        elif end == "}":
            depth -= 1
            server = None if server is not None and depth < server else server
    return found


DEFAULT_LOG = "/var/log/nginx/access.log"  # what Debian's nginx writes when nothing is said


def access_logs(text):
    """Return, by file of a site, every file in which one of its requests may be noted; parts inherit as nginx does."""
    found, depth, server, common = {}, 0, None, set()
    for file, words, end in directives(text):
        if words[:1] == ["access_log"] and len(words) > 1:
            place = common if server is None else found[file]
            place.add("" if words[1] == "off" else words[1])
        if end == "{":
            depth += 1
            if words == ["server"]:
                server = depth
                found.setdefault(file, set())
        elif end == "}":
            depth -= 1
            server = None if server is not None and depth < server else server
    # What stands beside the servers is added for each: a log too many is looked into for nothing, one too few hides one.
    return {
        file: {log for log in logs | (common or {DEFAULT_LOG}) if log.startswith("/")} for file, logs in found.items()
    }


def expires(module, certificate):
    """Return when a certificate ends, RFC 3339 in UTC."""
    rc, out, error = module.run_command(["openssl", "x509", "-noout", "-enddate", "-in", certificate])
    if rc != 0:
        module.fail_json(msg=f"certificate {certificate} cannot be read: {error.strip()}")
    moment = datetime.datetime.strptime(out.strip().partition("=")[2], "%b %d %H:%M:%S %Y %Z")
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def port(listen):
    """Return the port of a listen directive."""
    digits = listen[0].rpartition(":")[2]
    return int(digits) if digits.isdigit() else 80


def bundle(module, folder, site, certificate, key):
    """Write certificate and key into one private file; return whether it changed."""
    path = Path(folder) / f"{site}.pem"
    wanted = Path(certificate).read_bytes().rstrip() + b"\n" + Path(key).read_bytes().rstrip() + b"\n"
    if path.exists() and path.read_bytes() == wanted:
        return False
    if not module.check_mode:
        spare = path.with_name(f".{path.name}.new")
        spare.unlink(missing_ok=True)
        with os.fdopen(os.open(str(spare), os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(wanted)
        spare.replace(path)
    return True


def site_name(file):
    """Return what a site is called: its file without the ending."""
    return re.sub(r"\.conf$", "", Path(file).name)


def add(sites, file, directives, by_address, logs):
    """Add what a server block says to its site, and return the site."""
    empty = {key: set() for key in ("listening_ports", "ipv6_ports", "default_ports", "server_names", "served_names")}
    rules = {*by_address.get(file, []), *by_address.get(None, [])}
    told = {"by_address": rules, "access_logs": logs[file], "certificate_expires": ""}
    site = sites.setdefault(site_name(file), {**empty, **told})
    names = {word for words in directives.get("server_name", []) for word in words if word != "_"}
    site["server_names"] |= names
    listens = directives.get("listen", [["80"]])
    site["listening_ports"] |= {port(listen) for listen in listens}
    if not is_redirect(directives):
        site["served_names"] |= names
        site["ipv6_ports"] |= {port(listen) for listen in listens if listen[0].startswith("[")}
        site["default_ports"] |= {port(listen) for listen in listens if "default_server" in listen}
    return site


def main():
    module = AnsibleModule(argument_spec={"bundle_folder": {"type": "path"}}, supports_check_mode=True)
    rc, out, error = module.run_command(["nginx", "-T"])
    if rc != 0:
        module.fail_json(msg=f"nginx does not accept its own configuration: {error.strip()}")
    sites, changed, by_address, logs = {}, False, rules_by_address(out), access_logs(out)
    for file, directives in servers(out):
        site = add(sites, file, directives, by_address, logs)
        if "ssl_certificate" in directives:
            name = site_name(file)
            certificate, key = directives["ssl_certificate"][0][0], directives["ssl_certificate_key"][0][0]
            site["certificate_expires"] = expires(module, certificate)
            if module.params["bundle_folder"]:
                changed = bundle(module, module.params["bundle_folder"], name, certificate, key) or changed
    for site in sites.values():
        site.update({key: sorted(value) for key, value in site.items() if isinstance(value, set)})
    module.exit_json(changed=changed, sites=sites)


if __name__ == "__main__":
    main()
