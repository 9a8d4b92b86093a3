#!/usr/bin/python
"""Disarms and rearms lines of a user's crontab, and waits until no run of theirs is alive."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dcshift_cron
short_description: Disarm, rearm or report jobs of a crontab
description:
  - A job is the one line whose words contain the given words in this order, side by side.
  - A disarmed line is the former line behind C(# dcshift-disarmed @MOMENT ); rearming restores it to the letter.
  - MOMENT is when it was disarmed, in seconds since the epoch by this host's clock; slots up to it have run here.
options:
  user: {description: Owner of the crontab, type: str, required: true}
  jobs: {description: Words of the command by name of the job, type: dict, required: true}
  state: {description: What is wanted, type: str, choices: [armed, disarmed, reported], default: reported}
  wait_seconds: {description: How long a run that is alive may take to end, type: int, default: 120}
author: [dcshift]
"""

MARK = "# dcshift-disarmed "
MARKED = re.compile(rf"{MARK}(?:@(?P<moment>[0-9]+) )?(?P<line>.*)")
# Cron wakes at the full minute and reads the crontab then. Far enough from it nobody can doubt whether it saw our change.
CALM_SECONDS = (5, 55)


def contains(words, wanted):
    """Return whether `wanted` stands in `words` side by side."""
    return any(words[start : start + len(wanted)] == wanted for start in range(len(words)))


def bare_line(line):
    """Return a line as it reads armed."""
    marked = MARKED.fullmatch(line)
    return marked["line"] if marked else line


def disarmed_at(line):
    """Return when a line was disarmed, or None when it is armed or nobody wrote it down."""
    marked = MARKED.fullmatch(line)
    return int(marked["moment"]) if marked and marked["moment"] else None


def seconds_to_calm(now):
    """Return how long to wait until no slot is so near that cron might, or might not, have started it."""
    first, last = CALM_SECONDS
    second = now % 60
    return 0 if first <= second < last else first - second if second < first else 60 - second + first


def is_job(line, wanted):
    """Return whether a crontab line, armed or disarmed by us, runs this command."""
    bare = bare_line(line)
    return not bare.lstrip().startswith("#") and contains(bare.split(), wanted)


def find(lines, name, wanted):
    """Return the index of a job's only line; raises ValueError with a sentence."""
    found = [index for index, line in enumerate(lines) if is_job(line, wanted)]
    if len(found) != 1:
        raise ValueError(f"job {name}: {len(found)} lines run '{' '.join(wanted)}', exactly one must")
    return found[0]


def changed_line(line, state, moment=0):
    """Return the line as it reads in the wanted state; a line that says since when it is disarmed keeps its moment."""
    if state == "disarmed" and disarmed_at(line) is None:
        return f"{MARK}@{int(moment)} {bare_line(line)}"
    return bare_line(line) if state == "armed" else line


def alive(wanted):
    """Return the process ids that run this command now, by their command lines."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) in (os.getpid(), os.getppid()):
            continue
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if "AnsiballZ" not in line and contains(line.split(), wanted):
            found.append(int(folder.name))
    return found


def wait_until_idle(jobs, seconds):
    """Wait until no run is alive on two readings a second apart: cron may just be starting what it read before."""
    end, quiet = time.monotonic() + seconds, 0
    while True:
        running = {name: pids for name, wanted in jobs.items() if (pids := alive(wanted))}
        quiet = 0 if running else quiet + 1
        if quiet >= 2:
            return {}
        if time.monotonic() > end:
            return running
        time.sleep(1)


def main():
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str", "required": True},
            "jobs": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["armed", "disarmed", "reported"], "default": "reported"},
            "wait_seconds": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    user, jobs, state = module.params["user"], module.params["jobs"], module.params["state"]
    rc, text, error = module.run_command(["crontab", "-l", "-u", user])
    if rc != 0:
        module.fail_json(msg=f"the crontab of {user} cannot be read: {error.strip()}")
    before = text.splitlines()
    after = list(before)
    try:
        places = {name: find(before, name, wanted) for name, wanted in jobs.items()}
    except ValueError as fault:
        module.fail_json(msg=f"crontab of {user}: {fault}")
    if state == "disarmed" and not module.check_mode and any(disarmed_at(before[at]) is None for at in places.values()):
        time.sleep(seconds_to_calm(time.time()))
    for place in places.values():
        after[place] = changed_line(after[place], state, time.time())
    changed = after != before
    if changed and not module.check_mode:
        rc, _, error = module.run_command(["crontab", "-u", user, "-"], data="\n".join(after) + "\n", binary_data=True)
        reread = module.run_command(["crontab", "-l", "-u", user])[1].splitlines()
        if rc != 0 or reread != after:
            module.fail_json(msg=f"the crontab of {user} does not read as it was written: {error.strip()}")
    if state == "disarmed" and not module.check_mode:
        running = wait_until_idle(jobs, module.params["wait_seconds"])
        if running:
            module.fail_json(
                msg=f"disarmed, but runs are still alive after {module.params['wait_seconds']} s: {running}"
            )
    shown = before if module.check_mode else after
    module.exit_json(
        changed=changed,
        jobs={
            name: {
                "line": changed_line(shown[place], "armed"),
                "armed": not shown[place].startswith(MARK),
                "disarmed_at": disarmed_at(shown[place]),
                "running": len(alive(jobs[name])),
            }
            for name, place in places.items()
        },
        diff={"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"},
    )


if __name__ == "__main__":
    main()
