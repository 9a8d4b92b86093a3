"""Every external program that `migration/` starts stands in a table, with the test in which it lies."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.support import programs_started

ROOT: Final = Path(__file__).parents[2]
_COPY: Final = "live/test_lying_tools.py::test_a_copy_by_a_liar_fails_and_is_not_called_done"
_FILES: Final = "live/test_lying_tools.py::test_files_carried_by_a_liar_are_not_called_carried"
_TREE: Final = "live/test_folder_stopped.py::test_a_tree_carried_by_a_liar_is_not_called_carried"
_SERVER: Final = "live/test_physical_spoilt.py::test_a_program_that_says_yes_and_does_nothing_is_not_believed"
_HERE: Final = "unit/migration_adapters/test_lying_programs.py::"
_THERE: Final = "unit/migration_adapters/test_silent_hosts.py::"
_STEP: Final = f"{_THERE}test_a_step_on_a_silent_host_is_refused"
_LOG: Final = f"{_THERE}test_a_log_that_was_not_read_is_no_proof_of_absence"
_MOVER: Final = f"{_HERE}test_a_mover_that_ends_without_a_word_has_moved_nothing"
_PLAYED: Final = f"{_HERE}test_a_job_host_that_ends_without_a_word_has_played_nothing"
_SSH: Final = f"{_HERE}test_an_ssh_that_reaches_nobody_has_let_us_in_nowhere"
_INSTEAD: Final = "it takes our place and is the interpreter that runs us: nobody is left who could believe it"

LIARS: Final[dict[tuple[str, str], str]] = {
    ("adapters/access_log.py", "grep"): _LOG,
    ("adapters/access_log.py", "sh"): _STEP,
    ("adapters/access_log.py", "sudo"): _STEP,
    ("adapters/access_log.py", "tail"): _LOG,
    ("adapters/ansible.py", "python"): _PLAYED,
    ("adapters/database.py", "python"): _MOVER,
    ("adapters/database_programs.py", "pg_dump"): (
        "unit/migration_data/test_programs.py::test_a_pg_dump_that_cannot_read_the_source_forbids_the_move"
    ),
    ("adapters/database_freeze.py", "psql"): _STEP,
    ("adapters/database_freeze.py", "sudo"): _STEP,
    ("adapters/files.py", "python"): _MOVER,
    ("adapters/gate_tool.py", "dcshift-gate"): _STEP,
    ("adapters/gate_tool.py", "sh"): _STEP,
    ("adapters/gate_tool.py", "sudo"): _STEP,
    (
        "adapters/job_host.py",
        "ansible-playbook",
    ): "playbooks/test_job_host.py::test_a_host_that_reports_nothing_is_a_failure",
    ("adapters/seeded_cluster.py", "psql"): (
        "unit/migration_adapters/test_seeded_cluster.py::test_a_psql_that_says_yes_and_asks_nobody_is_not_believed"
    ),
    ("adapters/site_check.py", "curl"): f"{_THERE}test_a_curl_that_asks_nobody_is_no_good_news",
    ("adapters/site_check.py", "sh"): f"{_THERE}test_silence_of_the_edge_is_no_good_news",
    ("adapters/ssh.py", "ansible-inventory"): f"{_HERE}test_an_inventory_that_was_not_read_is_told_so",
    ("adapters/ssh.py", "echo"): _SSH,
    ("adapters/ssh.py", "ssh"): _SSH,
    ("adapters/units.py", "systemd-run"): f"{_HERE}test_a_scope_that_starts_nothing_has_moved_nothing",
    ("adapters/web.py", "curl"): _STEP,
    ("adapters/web.py", "systemctl"): f"{_THERE}test_a_probe_of_a_silent_host_is_never_done",
    ("cli/centre.py", "python"): _INSTEAD,
    ("cli/lab.py", "python"): _INSTEAD,
    ("movers/cluster.py", "postgres"): _SERVER,
    ("movers/cluster.py", "setpriv"): _SERVER,
    ("movers/copy.py", "psql"): _COPY,
    ("movers/files_attributes.py", "python3"): (
        "unit/migration_data/test_files_described.py::test_a_host_without_python_is_recorded_without_attributes"
    ),
    ("movers/files_listing.py", "find"): _FILES,
    ("movers/folder_hashes.py", "python3"): _TREE,
    ("movers/rsync.py", "env"): _FILES,
    ("movers/rsync.py", "rsync"): _FILES,
    ("movers/host_load.py", "cat"): f"{_HERE}test_a_load_that_nobody_read_is_unread",
    ("movers/physical_findings.py", "pg_basebackup"): _SERVER,
    ("movers/programs.py", "setpriv"): _COPY,
    ("movers/schema.py", "pg_dump"): _COPY,
    ("movers/schema.py", "pg_restore"): _COPY,
    ("movers/upgrade.py", "env"): _SERVER,
    ("movers/upgrade.py", "initdb"): _SERVER,
    ("movers/upgrade.py", "pg_upgrade"): _SERVER,
    ("movers/base_backup.py", "?"): f"{_SERVER}: pg_basebackup, which physical_findings looks for",
}
NO_PROGRAMS: Final = {("adapters/job_host.py", "failed"), ("movers/cluster.py", "root"), ("adapters/command.py", "?")}
"""Words at the beginning of lists that are no command lines; and who only starts what others name."""


def test_the_table_has_every_program_that_is_started_and_no_other() -> None:
    found = programs_started.of(ROOT / "migration") - NO_PROGRAMS
    assert sorted(found - LIARS.keys()) == [], "let it lie in a test, see that it is not believed, and name both here"
    assert sorted(LIARS.keys() - found) == [], "nobody starts these any more"


@cache
def functions(path: str) -> dict[str, str]:
    """Return the tests of a file by name, each with its decorators and with what a table beside it says."""
    text = (ROOT / "tests" / path).read_text()
    tree = ast.parse(text)
    tables = {
        target.id: ast.unparse(each)
        for each in tree.body
        if isinstance(each, ast.Assign | ast.AnnAssign)
        for target in (each.targets if isinstance(each, ast.Assign) else [each.target])
        if isinstance(target, ast.Name)
    }
    found = {}
    for each in tree.body:
        if isinstance(each, ast.FunctionDef):
            said = ast.unparse(each)
            found[each.name] = said + "".join(table for name, table in tables.items() if name in said)
    return found


@pytest.mark.parametrize(("module", "program"), LIARS, ids=lambda word: word)
def test_the_named_test_is_there_and_speaks_of_the_program(module: str, program: str) -> None:
    if LIARS[module, program] == _INSTEAD:
        return
    path, _, test = LIARS[module, program].partition(": ")[0].partition("::")
    assert test in functions(path), f"{path} has no {test}"
    # Whoever hands on (sudo, env, sh, a shell's own echo) lies by saying nothing for what it would have started.
    if program not in ("sudo", "sh", "echo", "?", "python", "ansible-playbook"):
        assert program in functions(path)[test], f"{test} does not name {program}"


@pytest.mark.parametrize(
    ("text", "programs"),
    [
        ('subprocess.check_output(["vacuumdb", "-a"])', {"vacuumdb"}),
        ('argv = ["pg_dumpall"]\nargv += ["-f", "file"]\nprograms.run(argv, {})', {"pg_dumpall"}),
        ('programs.begin([*as_user(u), str(job.binaries / "pg_ctl"), "start"])', {"pg_ctl"}),
        ('self._remote.run(host, ["sudo", "-n", "-u", "postgres", "pg_dropcluster"])', {"sudo", "pg_dropcluster"}),
        ('_T: Final = "/usr/sbin/nft"\nremote.run(host, ["sudo", "-n", _T, "list"])', {"sudo", "nft"}),
        ("_S = 'test -x /x && haproxy -c; a=$(nft list | wc -l)'\nremote.run(host, ['sh', '-c', _S])",
         {"sh", "haproxy", "nft", "wc"}),
        ('_BY = ("nice", "-n", "5")\nsubprocess.Popen([*_BY, *argv])', {"nice"}),
        ('def f(line):\n    os.system("true" + line)', set()),
        ("def f():\n    line = ask()\n    os.system(line)", {"?"}),
        ("def f():\n    argv = ask()\n    subprocess.run(argv)", {"?"}),
        ("def run(argv):\n    subprocess.run(argv)", set()),
        ('def f(job):\n    _run(job, "vacuumdb", [])\n    subprocess.run(job)', {"vacuumdb"}),
        ('words = ["vacuumdb"]', set()),
    ],
)  # fmt: skip
def test_what_a_module_starts_is_read_from_it(text: str, programs: set[str]) -> None:
    assert programs_started.started(text) == programs
