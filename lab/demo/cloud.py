"""Brings the target's stacks up with Pulumi, as the README says a person does; it holds no secret."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from lab.demo import shell
from lab.errors import LabError
from lab.images import build_images
from lab.paths import STATE
from lab.records import PULUMI
from lab.toolchain.plugin import STAND_IN, plugin_in_use

Say = Callable[[str], None]
_WRITTEN_MEANWHILE: Final = "failed to load checkpoint: EOF"
"""Pulumi's word when an engine, such as one whose caller was killed, replaced the state while it was read."""


@dataclass(slots=True)
class Cloud:
    """The Pulumi side of the demo."""

    environment: dict[str, str] = field(default_factory=dict)

    def up_all(self, say: Say) -> dict[str, int]:
        """Bring every stack up in the order data flows; return resources by stack, those of grounds together."""
        ended = shell.run("env", ["dcshift", "--json", "env"])
        self.environment = {name: str(value) for name, value in ended.json().items()}
        self.environment["DCSHIFT_S3_CREDENTIALS"] = str(STATE / "target" / "s3.json")
        if plugin_in_use() == STAND_IN:
            # The stand-in is on PATH; only the official plugin is looked for in the user's own Pulumi folder.
            self.environment["PULUMI_HOME"] = str(PULUMI / "home")
        resources: dict[str, int] = {}
        for stack in self.stacks():
            if stack == "data":
                shell.run("provide", [sys.executable, "-m", "infra.provide"], env=self.environment, say=say)
            shown = "grounds" if stack.startswith("ground.") else stack
            resources[shown] = resources.get(shown, 0) + self.up(stack, say)
        return resources

    def stacks(self) -> list[str]:
        """Return the stacks that a move needs, in order: all but the security log's."""
        listed = shell.run("stacks", [sys.executable, "-m", "infra.up", "--list"], env=self.environment)
        return [stack for stack in listed.stdout.split() if stack != "security"]

    def up(self, stack: str, say: Say, *, empty: bool = False, environment: dict[str, str] | None = None) -> int:
        """Run `pulumi up` on one stack; return its number of resources.

        `empty`: fail if anything would change. `environment`: somebody else's, as `as_pipeline` returns it.
        """
        self._pulumi(f"{stack}-select", ["stack", "select", "--create", stack])
        argv = ["up", "--yes", "--skip-preview", "--stack", stack, "--color", "never", "--suppress-outputs"]
        self._pulumi(f"{stack}-up", [*argv, *(["--expect-no-changes"] if empty else [])], say, environment)
        exported = json.loads(self._pulumi(f"{stack}-export", ["stack", "export", "--stack", stack]).stdout)
        resources = [each for each in exported["deployment"]["resources"] if each.get("custom")]
        if not resources:
            raise LabError(
                "empty-stack",
                what=f"pulumi up of {stack} made nothing",
                why="its state holds no resource",
                state="the cluster is as it was",
                next=f"pulumi up --stack {stack}",
            )
        return len(resources)

    def deploy(self, system: str, release: str, say: Say) -> None:
        """Deploy a release as the system's own pipeline does: by its digest, and with that pipeline's rights alone.

        The target keeps the jobs from now on.
        """
        self._pulumi(f"{system}-config", ["config", "set", "--stack", system, "dcshift:serves", "target"])
        image = build_images([f"{system}:{release}"], lambda text: None)[f"{system}:{release}"]
        argv = ["dcshift", "--json", "deploy", system, "--release", release, "--image", f"sha256:{image.digest}"]
        shell.run(f"deploy-{system}", [*argv, "--migrate"], env=self.as_pipeline(system), say=say)

    def as_pipeline(self, system: str) -> dict[str, str]:
        """Return the environment with a kubeconfig of the system's pipeline, good for an hour, in place of ours."""
        kubeconfig, name = STATE / "identities" / f"deploy-{system}.kubeconfig", f"deploy-{system}"
        lent = ["dcshift", "--json", "identity", name, "--output", str(kubeconfig)]
        shell.run(f"identity-{name}", lent, env=self.environment)
        return {**self.environment, "KUBECONFIG": str(kubeconfig)}

    def _pulumi(
        self, name: str, argv: list[str], say: Say | None = None, environment: dict[str, str] | None = None
    ) -> shell.Ended:
        def told(line: str) -> None:
            if say and line.lstrip().startswith(("+", "~", "-", "error", "Error")):
                say(" ".join(line.split()))

        def once() -> shell.Ended:
            words = ["pulumi", "--non-interactive", *argv]
            return shell.run(
                f"pulumi-{name}", words, env=environment or self.environment, say=told if say else None, talks=True
            )

        try:
            return once()
        except LabError as refused:
            if _WRITTEN_MEANWHILE not in refused.why:
                raise
        time.sleep(1)
        return once()
