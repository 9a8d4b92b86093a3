"""Which external programs the modules of `migration/` start, read from their source: no list that people keep."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

_STARTS: Final = {
    "subprocess": re.compile(r"Popen|run|call|check_call|check_output|getoutput|getstatusoutput"),
    "asyncio": re.compile(r"create_subprocess_\w+"),
    "os": re.compile(r"system|popen|exec[lv]\w*|spawn\w+|posix_spawnp?|startfile"),
    "pty": re.compile(r"spawn"),
    "programs": re.compile(r"begin|run|run_raw"),
    "command": re.compile(r"run|start"),
    "ansible_runner": re.compile(r"run\w*"),
    "remote": re.compile(r"run"),
    "self._remote": re.compile(r"run"),
    "self._units": re.compile(r"start"),
    "self._programs": re.compile(r"run"),
}
"""What starts a program, by whom it is asked; the last four are the ports `Remote`, `Units` and `PodPrograms`."""
_WORD: Final = re.compile(r"(?:/[a-z/]+/)?[a-z][a-z0-9_.-]*")
_HAND_ON: Final = ("sudo", "env", "sh")
"""Programs that become another one, which comes after their own options."""
_WITH_A_VALUE: Final = ("-u", "-C")
_NAMES_A_PROGRAM: Final = ("_run", "which", "with_name")
"""Functions that are given a program's name."""
_OF_THE_SHELL: Final = frozenset(
    ("case", "do", "done", "echo", "elif", "else", "esac", "exec", "exit", "export", "false", "fi", "for", "if", "in",
     "printf", "read", "set", "shift", "test", "then", "true", "while", "[", "{")
)  # fmt: skip
_COMMAND: Final = re.compile(
    r"(?:^|[;|&({]\s*|\|\|\s*|&&\s*|\bdo\s+|\bthen\s+|\bexec\s+)([a-z\[][a-z0-9_-]*)(?=\s|$|\|)"
)
OURSELVES: Final = "python"
"""The interpreter that runs us."""


def started(text: str) -> set[str]:
    """Return the programs that this source text starts, `?` where it starts one that cannot be read from it.

    A module that only hands on what it is given, such as `command.run`, starts none by itself.
    """
    tree = ast.parse(text)
    starts = [call for call in ast.walk(tree) if isinstance(call, ast.Call) and _is_start(call)]
    named = set(_of_binaries(tree))
    if not starts:
        return named
    constants = _constants(tree)
    compared = {id(one) for each in ast.walk(tree) if isinstance(each, ast.Compare) for one in each.comparators}
    for each in ast.walk(tree):
        if isinstance(each, ast.List) and id(each) not in compared:
            named |= set(_of_list(each.elts, constants))
        elif isinstance(each, ast.Call) and ast.unparse(each.func).rpartition(".")[2] in _NAMES_A_PROGRAM:
            named |= {word for word in map(_word, each.args) if word}
    for start in starts:
        for name in (one.id for one in ast.walk(start) if isinstance(one, ast.Name)):
            if isinstance(before := constants.get(name), ast.Tuple):
                named |= set(_of_list(before.elts, constants))
        if ast.unparse(start.func).startswith("ansible_runner"):
            named.add("ansible-playbook")
    return named if named or _hands_on(tree, starts) else {"?"}


def _is_start(call: ast.Call) -> bool:
    who, _, what = ast.unparse(call.func).rpartition(".")
    return who in _STARTS and _STARTS[who].fullmatch(what) is not None


def _hands_on(tree: ast.Module, starts: Iterable[ast.Call]) -> bool:
    """Say whether each start is of words that the function around it was given."""
    given: dict[int, set[str]] = {}
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            names = {one.arg for one in function.args.args}
            for inner in ast.walk(function):
                given[id(inner)] = names
    return all(
        start.args
        and given.get(id(start), set()) & {one.id for one in ast.walk(start.args[0]) if isinstance(one, ast.Name)}
        for start in starts
    )


def _constants(tree: ast.Module) -> Mapping[str, ast.expr]:
    """Return what stands for each name of the module itself."""
    found: dict[str, ast.expr] = {}
    for each in tree.body:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            found[each.target.id] = each.value
        elif isinstance(each, ast.Assign):
            found |= {target.id: each.value for target in each.targets if isinstance(target, ast.Name)}
    return found


def _of_list(elements: Iterable[ast.expr], constants: Mapping[str, ast.expr]) -> Iterator[str]:
    """Yield what a list of words starts: its first word, and what that hands on to."""
    handed_on = option = None
    for one in elements:
        if isinstance(one, ast.Starred):
            continue
        value = constants.get(one.id, one) if isinstance(one, ast.Name) else one
        if option in _WITH_A_VALUE:
            option = None
        elif option == "-c" and handed_on == "sh":
            yield from _of_script(_text(value, constants))
            return
        elif ast.unparse(one) == "sys.executable":
            yield OURSELVES
            return
        elif word := _word(value):
            yield word.rpartition("/")[2]
            if word not in _HAND_ON:
                return
            handed_on = word
        elif handed_on and isinstance(value, ast.Constant) and str(value.value).startswith("-"):
            option = value.value
        elif not handed_on or not isinstance(value, ast.Constant):
            return  # more words for a program that is named elsewhere


def _of_script(script: str) -> Iterator[str]:
    """Yield the programs that a shell's script starts, without what the shell does itself."""
    plain = re.sub(r"'[^']*'|\"[^\"]*\"", lambda quoted: quoted[0] if "$(" in quoted[0] else "''", script)
    yield from (word for word in _COMMAND.findall(plain) if word not in _OF_THE_SHELL)


def _text(value: ast.expr, constants: Mapping[str, ast.expr]) -> str:
    if isinstance(value, ast.Constant):
        return str(value.value)
    if isinstance(value, ast.JoinedStr):
        return "".join(_text(part, constants) for part in value.values)
    if isinstance(value, ast.FormattedValue):
        return _text(value.value, constants)
    return _text(constants[value.id], constants) if isinstance(value, ast.Name) and value.id in constants else "''"


def _of_binaries(tree: ast.Module) -> Iterator[str]:
    """Yield names that are looked for in a folder of programs: `binaries / "postgres"`."""
    for around in ast.walk(tree):
        many = isinstance(around, ast.GeneratorExp) and "binaries" in ast.unparse(around.generators[0].iter)
        for each in ast.walk(around) if many else [around]:
            if not isinstance(each, ast.BinOp) or not isinstance(each.op, ast.Div):
                continue
            if (word := _word(each.right)) and (many or ast.unparse(each.left).endswith("binaries")):
                yield word


def _word(value: ast.expr) -> str | None:
    is_text = isinstance(value, ast.Constant) and isinstance(value.value, str) and _WORD.fullmatch(value.value)
    return str(value.value) if is_text else None  # type: ignore[attr-defined]


def of(folder: Path) -> set[tuple[str, str]]:
    """Return (module, program) for every module of a package; the module is named without the package."""
    return {
        (str(file.relative_to(folder)), program)
        for file in sorted(folder.rglob("*.py"))
        for program in started(file.read_text())
    }
