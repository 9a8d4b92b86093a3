#!/usr/bin/python
"""Creates the migration's role with a password that the server never sees in clear; or removes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dcshift_postgres_role
short_description: Keep a LOGIN REPLICATION role with a SCRAM verifier
description:
  - Runs psql as the user it is run as; the password is hashed here, so no log or view of the server can hold it.
options:
  name: {description: Name of the role, type: str, required: true}
  password: {description: Its password, type: str}
  state: {description: What is wanted, type: str, choices: [present, absent], default: present}
author: [dcshift]
"""

ITERATIONS = 4096


def verifier(password, salt, iterations=ITERATIONS):
    """Return the SCRAM-SHA-256 verifier as PostgreSQL stores it (RFC 5802, RFC 7677)."""
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    words = [base64.b64encode(part).decode() for part in (salt, stored, server)]
    return f"SCRAM-SHA-256${iterations}:{words[0]}${words[1]}:{words[2]}"


def same(password, stored):
    """Return whether a stored verifier belongs to this password."""
    try:
        iterations, salt = stored.split("$")[1].split(":")
        return hmac.compare_digest(verifier(password, base64.b64decode(salt), int(iterations)), stored)
    except (AttributeError, IndexError, ValueError):
        return False


def psql(module, sql, **variables):
    """Run SQL and return its rows as text."""
    argv = ["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "postgres"]
    for name, value in variables.items():
        argv += ["-v", f"{name}={value}"]
    rc, out, error = module.run_command([*argv, "-f", "-"], data=sql)
    if rc != 0:
        module.fail_json(msg=f"PostgreSQL refused: {error.strip()}")
    return out.strip()


def main():
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "password": {"type": "str", "no_log": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
        required_if=[("state", "present", ["password"])],
        supports_check_mode=True,
    )
    name, password = module.params["name"], module.params["password"]
    read = (
        "SELECT rolcanlogin AND rolreplication AND NOT rolsuper, coalesce(rolpassword, '') "
        "FROM pg_authid WHERE rolname = :'name'"
    )
    row = psql(module, read, name=name)
    if module.params["state"] == "absent":
        needed = psql(
            module,
            "SELECT count(*) FROM pg_shdepend d JOIN pg_authid r ON r.oid = d.refobjid "
            "WHERE d.refclassid = 'pg_authid'::regclass AND r.rolname = :'name'",
            name=name,
        )
        gone = bool(row) and needed == "0"
        if gone and not module.check_mode:
            psql(module, 'DROP ROLE :"name"', name=name)
        module.exit_json(changed=gone, still_needed=needed != "0")
    fitting, _, stored = row.partition("|")
    changed = fitting != "t" or not same(password, stored)
    if changed and not module.check_mode:
        made = verifier(password, os.urandom(16))
        create = "" if row else 'CREATE ROLE :"name";\n'
        # The verifier goes in by stdin: not even a hash belongs on a command line.
        psql(
            module,
            f"\\set verifier '{made}'\n{create}ALTER ROLE :\"name\" LOGIN REPLICATION PASSWORD :'verifier';",
            name=name,
        )
        fitting, _, stored = psql(module, read, name=name).partition("|")
        if fitting != "t" or not same(password, stored):
            module.fail_json(msg=f"role {name} does not read as it was written; is it a superuser?")
    module.exit_json(changed=changed)


if __name__ == "__main__":
    main()
