#!/usr/bin/python
"""Keeps the highest fencing token that this host has seen of a system, and refuses a lower one."""

from __future__ import annotations

import fcntl
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dcshift_turn
short_description: Refuse an orchestrator whose turn is over
description:
  - Keeps the highest token in C(/var/lib/dcshift/turn/<system>) under a lock; a lower one fails.
  - The file stays when everything else is undone, because a paused orchestrator may still wake up.
options:
  system: {description: Id of the system, type: str, required: true}
  token: {description: The token of the turn under way, type: int, required: true}
author: [dcshift]
"""


def main():
    module = AnsibleModule(
        argument_spec={"system": {"type": "str", "required": True}, "token": {"type": "int", "required": True}},
        supports_check_mode=True,
    )
    system, token = module.params["system"], module.params["token"]
    path = Path("/var/lib/dcshift/turn") / system
    if module.check_mode and not path.exists():
        module.exit_json(changed=True, highest=0)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        highest = int(stream.read().strip() or 0)
        if token < highest:
            module.fail_json(msg=f"turn {token} of {system} is over: this host has seen turn {highest}")
        if token > highest and not module.check_mode:
            stream.truncate(0)
            stream.write(f"{token}\n")
    module.exit_json(changed=token > highest, highest=highest)


if __name__ == "__main__":
    main()
