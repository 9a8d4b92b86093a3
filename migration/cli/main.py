"""The command `dcshift`: names the verbs, turns every error into four thoughts and an exit status; does no work.

Nothing heavy is imported here or at the top of a verb's file: `--help` and completion must answer at once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
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
    report,
    run,
    status,
    survey,
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
for _module in (survey, plan, check, run, pause, status, verify, report, centre, deploy, drill, doctor, env, demo):
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
    sys.exit(command(sys.argv[1:]))


def command(argv: list[str], workspace: Callable[[], Workspace] | None = None) -> int:
    """Run one command line on a workspace, the environment's by default, and return its exit status."""
    SESSION.opener = workspace
    words = list(argv)
    # `--json` may stand anywhere, also after the verb, because that is where people add it.
    OUT.json, OUT.told = "--json" in words and "move" not in words, False
    if OUT.json:
        words = [word for word in words if word != "--json"]
    try:
        ended = typer.main.get_command(app).main(args=words, prog_name="dcshift", standalone_mode=False)
        if ended == 130 and not OUT.told:
            raise KeyboardInterrupt  # typer turns Ctrl-C into this number without a word
        return ended if isinstance(ended, int) else 0
    except _WRONG_WORDS as wrong:
        print(wrong.format_message(), file=sys.stderr)  # type: ignore[attr-defined]
        print("next: dcshift --help, or dcshift VERB --help", file=sys.stderr)
        return 2
    except (typer.Abort, KeyboardInterrupt):
        OUT.note("stopped; dcshift status shows where the move stands, and the same command may be typed again")
        return 130
    except MigrationError as error:
        return _wrong(error)
    except Exception as error:
        return _foreign(error)


def _wrong(error: MigrationError, **instead: object) -> int:
    from migration.cli.standing import correct

    correct(error, after_a_result=OUT.told)
    OUT.error({**error.as_dict(), **instead}, str(error))
    return error.exit_code


def _foreign(error: Exception) -> int:
    """Say an error of the catalogue or of the lab; any other is a fault of ours and keeps its traceback."""
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
    if isinstance(error, OSError) and (full := _full(error)) is not None:
        return _wrong(full)
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
