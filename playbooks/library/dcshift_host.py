#!/usr/bin/python
"""Reads what a plan must know of a host and of the file trees on it; changes nothing."""

from __future__ import annotations

import os
import platform
import shutil
import stat
import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

DOCUMENTATION = r"""
module: dcshift_host
short_description: Report a host, and trees of files on it
options:
  trees: {description: Paths of trees to count by a name of the caller's, type: dict, default: {}}
  specials_max: {description: How many special files and links to name of each tree, type: int, default: 1000}
author: [dcshift]
"""


def distribution():
    """Return the distribution with its exact release, such as `Debian 11.11`."""
    words = {}
    for line in Path("/etc/os-release").read_text().splitlines():
        key, _, value = line.partition("=")
        words[key] = value.strip('"')
    exact = Path("/etc/debian_version")
    release = (
        exact.read_text().strip() if words.get("ID") == "debian" and exact.exists() else words.get("VERSION_ID", "")
    )
    return f"{words.get('NAME', 'unknown').split()[0]} {release}".strip()


def memory_bytes():
    """Return the memory of the machine."""
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024
    return 0


def shown(path):
    """Return a path as text, whatever its bytes."""
    return path.encode(errors="surrogateescape").decode(errors="replace")


def link(full, root):
    """Return what a symbolic link says and what stands there, seen from the set."""
    ends, root = os.path.realpath(full), os.path.realpath(root)
    to = "outside"
    if ends == root or ends.startswith(root + os.sep):
        to = "folder" if os.path.isdir(ends) else "file" if os.path.exists(ends) else "nothing"
    return {"leads_to": shown(os.readlink(full)), "to": to}


def tree(path, specials_max):
    """Return how many regular files a tree has, their bytes, and what in it cannot be moved as a file."""
    files, size, hard_linked, specials, links = 0, 0, 0, [], []
    largest, largest_bytes = None, 0

    def fail(error):
        raise error

    for folder, folders, names in os.walk(path, onerror=fail):
        # A link to a folder is listed among the folders, and not entered.
        for name in [*names, *(one for one in folders if os.path.islink(os.path.join(folder, one)))]:
            full = os.path.join(folder, name)
            try:
                status = os.lstat(full)
            except FileNotFoundError:
                continue  # it went while we looked: a living tree
            if stat.S_ISREG(status.st_mode):
                files, size = files + 1, size + status.st_size
                hard_linked += status.st_nlink > 1
                if status.st_size > largest_bytes:
                    largest, largest_bytes = shown(os.path.relpath(full, path)), status.st_size
            else:
                (links if stat.S_ISLNK(status.st_mode) else specials).append(os.path.relpath(full, path))
    return {
        "files": files,
        "size_bytes": size,
        "special_files": [shown(name) for name in sorted(specials)[:specials_max]],
        "special_files_count": len(specials),
        "links": [
            {"path": shown(name), **link(os.path.join(path, name), path)} for name in sorted(links)[:specials_max]
        ],
        "links_count": len(links),
        "hard_linked_files": hard_linked,
        "largest": largest,
        "largest_bytes": largest_bytes,
    }


def main():
    module = AnsibleModule(
        argument_spec={
            "trees": {"type": "dict", "default": {}},
            "specials_max": {"type": "int", "default": 1000},
        },
        supports_check_mode=True,
    )
    trees = {}
    for name, path in module.params["trees"].items():
        if not os.path.isdir(path):
            module.fail_json(msg=f"{path} is not a folder on this host")
        try:
            trees[name] = {"path": path, **tree(path, module.params["specials_max"])}
        except OSError as error:
            module.fail_json(msg=f"{path} cannot be read as a whole: {error}")
    host = {
        "distribution": distribution(),
        "kernel": os.uname().release,
        "python": platform.python_version(),
        "memory_bytes": memory_bytes(),
        "disk_free_bytes": shutil.disk_usage("/").free,
    }
    module.exit_json(changed=False, host=host, trees=trees, now=time.time())


if __name__ == "__main__":
    main()
