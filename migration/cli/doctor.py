"""`dcshift doctor`: what this machine lacks, and the command that mends it; it changes nothing."""

from __future__ import annotations

import typer

from migration.cli.output import OUT, console


def register(app: typer.Typer) -> None:
    @app.command()
    def doctor() -> int:
        """Say what this machine lacks, and the command that mends it."""
        try:
            from lab.toolchain.doctor import diagnose
        except ModuleNotFoundError:
            OUT.result({"checks": []}, lambda: print("only the migration is installed here: nothing more is needed"))
            return 0
        checks = diagnose()
        lacking = [check for check in checks if not check.ok]
        document = {
            "ok": not lacking,
            "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail, "mend": c.mend} for c in checks],
        }

        def people() -> None:
            out = console()
            for check in checks:
                out.print("[green]✓[/]" if check.ok else "[bold red]✗[/]", end=" ")
                out.print(f"{check.name:<28} {check.detail}", markup=False)
                if not check.ok:
                    out.print(f"  mend: {check.mend}", markup=False)
            out.print(f"{len(lacking)} things are missing" if lacking else "this machine has everything")

        OUT.result(document, people)
        return 3 if lacking else 0
