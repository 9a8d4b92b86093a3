"""The command `dcshift`: names the verbs, turns every error into four thoughts and an exit status; does no work.

Nothing heavy is imported here or at the top of a verb's file: `--help` and completion must answer at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from migration.cli import (
    catalogue,
    centre,
    check,
    demo,
    deploy,
    doctor,
    drill,
    env,
    lab,
    mover,
    pause,
    plan,
    repair,
    report,
    run,
    status,
    survey,
    throttle,
    verify,
)
from migration.cli.output import OUT
from migration.cli.session import SESSION
from migration.errors import MigrationError, UsageError

if TYPE_CHECKING:
    from migration.wiring import Workspace

app = typer.Typer(
    name="dcshift",
    help="Move a province's information systems to a declared data centre: staged, proved, reversible.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _module in (
    survey,
    plan,
    check,
    run,
    pause,
    throttle,
    status,
    verify,
    repair,
    report,
    centre,
    deploy,
    drill,
    doctor,
    env,
    demo,
):
    _module.register(app)
app.add_typer(catalogue.app, name="catalogue")
app.add_typer(lab.app, name="lab")
app.add_typer(mover.app, name="move")


@app.callback()
def _everywhere(
    json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout; works at every verb.")] = False,
) -> None:
    OUT.json = OUT.json or json


# Every complaint about the words of a command line; typer carries a click of its own and shows only this of it.
_WRONG_WORDS: type[BaseException] = typer.BadParameter.__bases__[0]


def main() -> None:
    """Run the command line and exit with the status that docs/errors.md explains."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a file's name may be no text, and must not end the talk
    sys.exit(command(sys.argv[1:]))


def command(argv: list[str], workspace: Callable[[], Workspace] | None = None) -> int:
    """Run one command line on a workspace, the environment's by default, and return its exit status."""
    SESSION.opener = workspace
    # `--json` may stand anywhere, also after the verb, because that is where people add it.
    OUT.json, OUT.told = "--json" in argv, False
    words = [word for word in argv if word != "--json"]
    try:
        ended = typer.main.get_command(app).main(args=words, prog_name="dcshift", standalone_mode=False)
        if ended == 130 and not OUT.told:
            raise KeyboardInterrupt  # typer turns Ctrl-C into this number without a word
        return ended if isinstance(ended, int) else 0
    except SystemExit:
        if "--help" in words:  # typer's way to end when nobody reads its help any more
            return 0
        raise
    except _WRONG_WORDS as wrong:
        return _unclear(wrong.format_message(), words)  # type: ignore[attr-defined]
    except (typer.Abort, KeyboardInterrupt):
        OUT.note("stopped; dcshift status shows where the move stands, and the same command may be typed again")
        return 130
    except MigrationError as error:
        return _wrong(error)
    except Exception as error:
        return _foreign(error)


def _unclear(said: str, words: Sequence[str]) -> int:
    """Say what typer finds wrong with the words of a command line as an error like any other."""
    asked, nothing = _named(words), said.startswith("Usage:")
    instead = f"{asked} --help" if asked != "dcshift" else "dcshift --help, or dcshift VERB --help"
    if nothing and not OUT.json:  # typer answers no word at all with the whole help
        OUT.note(f"{said}\nnext: {instead}")
        return UsageError.exit_code
    return _wrong(
        UsageError(
            "words-unclear",
            what=f"it is not clear what {asked} shall do",
            why="it needs another word" if nothing else " ".join(said.split()),
            state="nothing was begun",
            next=instead,
        )
    )


def _named(words: Sequence[str]) -> str:
    """Return the command that these words name, as far as they name one."""
    named, command = "dcshift", typer.main.get_command(app)
    for word in words:
        child = getattr(command, "commands", {}).get(word)
        if child is not None:
            named, command = f"{named} {word}", child
    return named


def _wrong(error: MigrationError, **instead: object) -> int:
    from migration.cli.standing import correct

    correct(error, after_a_result=OUT.told)
    OUT.error({**error.as_dict(), **instead}, str(error))
    return error.exit_code


def _foreign(error: Exception) -> int:
    """Say an error of the catalogue, the lab or a file; any other is a fault of ours and keeps its traceback."""
    from catalogue.load import CatalogueError

    if isinstance(error, CatalogueError):
        lines = [str(fault) for fault in error.faults]
        faulty = UsageError(
            "catalogue-faulty",
            what=f"the catalogue has {len(lines)} fault{'s' if len(lines) > 1 else ''}",
            why="\n         ".join(lines),
            state="nothing was changed",
            next="mend the lines named above, then dcshift catalogue check",
        )
        return _wrong(faulty, why=lines)
    if type(error).__name__ == "LabError":
        # Known by name: importing the lab to ask would cost every other command its start.
        thoughts = {name: getattr(error, name) for name in ("code", "what", "why", "state", "next")}
        OUT.error(thoughts, str(error))
        return 1
    if isinstance(error, OSError) and (told := _full(error) or _unusable(error)) is not None:
        return _wrong(told)
    raise error


def _full(error: OSError) -> MigrationError | None:
    """Return what a person reads when a disk is full, instead of a traceback."""
    from migration.movers import room

    if not room.is_full(error):
        return None
    state = SESSION.workspace().state
    return UsageError(
        "state-full",
        what="dcshift could not write what it must remember",
        why=f"{error}; {room.left(state)}",
        state="the journal tells what was done until then",
        next=f"make room in {state}, or move DCSHIFT_STATE, then type the same command again",
    )


def _unusable(error: OSError) -> MigrationError | None:
    """Return what a person reads when a file or folder that they named, or that we keep, cannot be used."""
    if error.filename is None:
        return None
    state, named = SESSION.workspace().state, str(error.filename)
    ours = Path(named).is_relative_to(state) or state.is_relative_to(named)
    return UsageError(
        "file-unusable",
        what=f"{named} cannot be used",
        why=error.strerror or str(error),
        state="the journal tells what was done until then",
        next=f"make {state} a folder that only you can write to, or set DCSHIFT_STATE to another one"
        if ours
        else "name another file or folder, or let it be read and written, then type the same command again",
    )
