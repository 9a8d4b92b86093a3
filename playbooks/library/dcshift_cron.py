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
  user: {description: Owner of the crontab, type: str}
  unit: {description: Instead of the owner, a unit of systemd whose user is meant, type: str}
  jobs: {description: Words of the command by name of the job, type: dict, required: true}
  known: {description: Words of every declared command of this crontab; reports what else is scheduled, type: list}
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


def is_schedule(line):
    """Return whether a line of a crontab runs something: no blank, remark or setting of the environment."""
    return bool(line.strip()) and not re.match(r"\s*(#|[A-Za-z_][A-Za-z0-9_]*\s*=)", line)


def stray(lines, known):
    """Return the lines that run something that nobody declared."""
    return [line for line in lines if is_schedule(line) and not any(is_job(line, words) for words in known)]


def stray_of_system(files, user, known):
    """Return what the host's own crontabs run as this user, as (file, line); their sixth word is the user."""
    found = []
    for file, text in files:
        for line in text.splitlines():
            at = 1 if line.lstrip().startswith("@") else 5
            words = line.split()
            if len(words) > at + 1 and words[at] == user and stray([line], known):
                found.append((file, line))
    return found


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


def timers(module, user, known):
    """Return the timers of systemd that run a service as this user, as (timer, what it runs)."""
    rc, listed, error = module.run_command(
        ["systemctl", "list-units", "--type=timer", "--all", "--plain", "--no-legend"]
    )
    if rc != 0:
        module.fail_json(msg=f"the timers of systemd cannot be read: {error.strip()}")
    found = []
    for timer in (line.split()[0] for line in listed.splitlines() if line.strip()):
        unit = shown(module, timer, "Unit")
        if unit and shown(module, unit, "User") == user:
            command = re.sub(r".*argv\[\]=(.*?) ;.*", r"\1", shown(module, unit, "ExecStart"))
            if not any(contains(command.split(), words) for words in known):
                found.append((timer, command))
    return found


def shown(module, unit, name):
    """Return a property of a unit, empty when it has none.

    Without an answer there is no empty one: a unit without a user runs as root, and another crontab would be meant.
    """
    rc, said, error = module.run_command(["systemctl", "show", f"--property={name}", "--value", "--", unit])
    if rc != 0:
        module.fail_json(msg=f"{name} of {unit} cannot be read: {error.strip() or f'systemctl ended with {rc}'}")
    return said.strip()


def user_of(module, unit):
    """Return whom a unit runs as; of one that is not there systemd says the same as of one that names nobody."""
    state = shown(module, unit, "LoadState")
    if state != "loaded":
        module.fail_json(msg=f"whose jobs go with {unit} is not known: systemd calls it {state or 'nothing'}")
    return shown(module, unit, "User") or "root"


def strays(module, user, lines, known):
    """Return all that this host runs at times as the user and nobody declared.

    What the host schedules for root outside of root's own crontab is its housekeeping.
    """
    found = [("crontab", line) for line in stray(lines, known)]
    if user != "root":
        found += stray_of_system(system_crontabs(), user, known) + timers(module, user, known)
    return [{"where": where, "line": line} for where, line in found]


def system_crontabs():
    """Return the crontabs of the host itself, as (file, text)."""
    files = [Path("/etc/crontab"), *sorted(Path("/etc/cron.d").glob("[!.]*"))]
    return [(str(file), file.read_text(errors="replace")) for file in files if file.is_file()]


def read_crontab(module, user, jobs):
    """Return the lines of a user's crontab; to have none is no fault where no job is looked for."""
    rc, text, error = module.run_command(["crontab", "-l", "-u", user])
    if rc != 0 and (jobs or "no crontab for" not in error):
        module.fail_json(msg=f"the crontab of {user} cannot be read: {error.strip()}")
    return text.splitlines() if rc == 0 else []


def main():
    module = AnsibleModule(
        argument_spec={
            "user": {"type": "str"},
            "unit": {"type": "str"},
            "known": {"type": "list", "elements": "list"},
            "jobs": {"type": "dict", "required": True},
            "state": {"type": "str", "choices": ["armed", "disarmed", "reported"], "default": "reported"},
            "wait_seconds": {"type": "int", "default": 120},
        },
        required_one_of=[("user", "unit")],
        supports_check_mode=True,
    )
    user, jobs, state = module.params["user"], module.params["jobs"], module.params["state"]
    user = user or user_of(module, module.params["unit"])
    before = read_crontab(module, user, jobs)
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
    now = before if module.check_mode else after
    module.exit_json(
        changed=changed,
        user=user,
        stray=strays(module, user, now, module.params["known"]) if module.params["known"] is not None else [],
        jobs={
            name: {
                "line": changed_line(now[place], "armed"),
                "armed": not now[place].startswith(MARK),
                "disarmed_at": disarmed_at(now[place]),
                "running": len(alive(jobs[name])),
            }
            for name, place in places.items()
        },
        diff={"before": "\n".join(before) + "\n", "after": "\n".join(after) + "\n"},
    )


if __name__ == "__main__":
    main()
