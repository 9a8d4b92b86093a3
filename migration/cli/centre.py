"""`dcshift render`, `network`, `drift` and `identity`: the declared centre and who works on it; thin doors to `infra`.

They run in place of this process: migration and infrastructure share data, never code.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from migration.cli.output import OUT
from migration.cli.session import SESSION

Settings = Annotated[
    Path | None,
    typer.Option(
        exists=True, file_okay=False, help="Folder of the stacks' own settings; what pulumi wrote here by default."
    ),
]


def register(app: typer.Typer) -> None:
    @app.command()
    def render(
        stack: Annotated[str | None, typer.Option(help="Only this stack; all of the catalogue by default.")] = None,
        output: Annotated[Path, typer.Option(help="Folder for the manifests.")] = Path("build/render"),
        settings: Settings = None,
    ) -> int:
        """Write every manifest of every stack as a file; no cluster and no engine is asked."""
        chosen = [f"--stack={stack}"] if stack is not None else []
        return instead("infra.render", [*chosen, f"--output={output}", *_of(settings)])

    @app.command()
    def network(
        source: Annotated[str | None, typer.Argument(help="Who sends, such as portal/web or internet.")] = None,
        target: Annotated[str | None, typer.Argument(help="Who receives, with a port: portal/database:5432.")] = None,
        settings: Settings = None,
    ) -> int:
        """Show which packets the declared network lets through; of two ends, say which policies decide; 3 means no."""
        ends = [word for word in (source, target) if word is not None]
        return instead("infra.reachability", [*_of(settings), "--", *ends])

    @app.command()
    def drift(
        stack: Annotated[
            list[str] | None, typer.Argument(help="Only these stacks; all of the catalogue by default.")
        ] = None,
        settings: Settings = None,
    ) -> int:
        """Say which declared fields are not so in the cluster, who wrote them and when; 3 means that some are not."""
        os.environ["KUBECONFIG"] = str(SESSION.workspace().kubeconfig)
        return instead("infra.drift", [*_of(settings), "--", *(stack or [])])

    @app.command()
    def identity(
        name: Annotated[str | None, typer.Argument(help="Whose kubeconfig to write, such as deploy-portal.")] = None,
        output: Annotated[
            Path | None, typer.Option(help="The file; build/identities/NAME.kubeconfig by default.")
        ] = None,
        minutes: Annotated[int, typer.Option(help="How long the token is good.")] = 60,
    ) -> int:
        """List who may do what on the centre; of one, write a kubeconfig with a token that soon ends."""
        os.environ["KUBECONFIG"] = str(SESSION.workspace().kubeconfig)
        words = [f"--minutes={minutes}", *([f"--output={output}"] if output else [])]
        return instead("infra.identities", [*words, "--", *([name] if name is not None else [])])


def _of(settings: Path | None) -> list[str]:
    return [f"--settings={settings}"] if settings is not None else []


def instead(module: str, words: list[str]) -> int:
    """Become a program of `infra`, which sees the same catalogue and answers in the same form."""
    os.environ["DCSHIFT_CATALOGUE"] = str(SESSION.workspace().catalogue_folder)
    argv = [sys.executable, "-m", module, *(["--json"] if OUT.json else []), *words]
    os.execv(sys.executable, argv)  # noqa: S606  the same interpreter, no shell
