"""Reads extended attributes and ACLs at the source with the Python that Ansible needs there, too; it installs nothing.

They are asked for only where a file's ctime has moved since they were last read: every change of them moves it, and
nobody can set it. Under the freeze that is nothing, or what the last pass brought.
"""

from __future__ import annotations

import io
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from migration.errors import StepFailed
from migration.movers import programs
from migration.movers.files_listing import Described
from migration.movers.tree_job import TreeJob

NONE: Final = "{}"
# Every Python from 3.3 on runs it. Each path is answered, in order, by a JSON object of base64, or by `?` where it went
# while it was looked at. An ACL is the attribute `system.posix_acl_access` or `…_default`.
_SCRIPT: Final = """
import base64, errno, json, os, sys, time
root, out = os.fsencode(sys.argv[1]), sys.stdout.buffer
out.write(str(int(time.time() * 10**9)).encode() + b"\\0")
for path in sys.stdin.buffer.read().split(b"\\0")[:-1]:
    full, found = os.path.join(root, path), {}
    try:
        for name in os.listxattr(full, follow_symlinks=False):
            found[name] = base64.b64encode(os.getxattr(full, name, follow_symlinks=False)).decode()
        said = json.dumps(found, sort_keys=True)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ENODATA):
            said = "?"
        elif error.errno == errno.EOPNOTSUPP:
            said = "{}"
        else:
            raise
    out.write(said.encode() + b"\\0")
"""
_CLOCKS_NS: Final = 10 * 10**9
"""A change this shortly before they were read may have another one behind it under the same ctime."""


def read(job: TreeJob, described: Mapping[bytes, Described]) -> dict[bytes, Described]:
    """Return these with their attributes; of what went meanwhile they stay unread.

    Raises `StepFailed`: mover-program-failed where they cannot be read, program-not-believed.
    """
    if not described:
        return {}
    now, answers = _ask(job, list(described))
    return {
        path: replace(
            one,
            attributes=None if said == "?" else said,
            changed_ns=one.changed_ns if one.changed_ns < now - _CLOCKS_NS else 0,
        )
        for (path, one), said in zip(described.items(), answers, strict=True)
    }


def unread(job: TreeJob) -> str | None:
    """Return why attributes cannot be read at the source, or None when they can."""
    try:
        _ask(job, [b""])
    except StepFailed as failure:
        return failure.why.splitlines()[-1]
    return None


def is_as_read(before: Described | None, now: Described) -> bool:
    """Say whether this is what was described before, so that the attributes that were read are still its own."""
    return before is not None and before.attributes is not None and _listed(before) == _listed(now)


def _listed(one: Described) -> tuple[object, ...]:
    return one.changed_ns, one.kind, one.leads_to, one.mode, one.owner, one.group, one.links


def _ask(job: TreeJob, paths: Sequence[bytes]) -> tuple[int, list[str]]:
    ask = [*(job.become if job.reach else []), "python3", "-I", "-c", _SCRIPT, f"{job.source.rstrip('/')}/"]
    argv = [*job.reach, shlex.join(ask)] if job.reach else ask
    with os.fdopen(os.memfd_create("paths"), "w+b") as named:
        named.write(b"\0".join(paths) + b"\0")
        named.seek(0, io.SEEK_SET)
        out = programs.run_raw(
            argv,
            dict(os.environ),
            doing="reading extended attributes",
            timeout_seconds=job.pull_seconds_max,
            stdin=named,
        )
    now, *answers = out.decode().split("\0")[:-1] or [""]
    if len(answers) != len(paths):
        why = f"it answered for {len(answers)} of {len(paths)} files"
        raise programs.unbelieved("python3", why, doing=f"reading the attributes of {job.system}/{job.name}")
    return int(now), answers
