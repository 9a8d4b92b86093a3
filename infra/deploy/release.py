"""One deployment from lint to proof: what is tried, in which order, and what puts the old release back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from infra.deploy.expectations import Change, changes, unexpected
from infra.errors import InfraError

Say = Callable[[str], None]
Hopeless = Callable[[], str | None]
_KEYS = ("release", "image", "migrate")


class Stack(Protocol):
    """What a deployment needs of a stack; `engine.Stack` is the real one."""

    @property
    def name(self) -> str: ...
    def settings(self) -> dict[str, str]: ...
    def set(self, key: str, value: str | None) -> None: ...
    def preview(self) -> dict[str, Any]: ...
    def up(self, say: Say, hopeless: Hopeless = ..., *, refresh: bool = ...) -> None: ...
    def outputs(self) -> dict[str, Any]: ...


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall run: `image` is a digest or None for the registry's tag of the release."""

    release: str
    image: str | None = None
    migrate: bool = False

    def settings(self) -> dict[str, str | None]:
        """Return it as settings of the stack; the digest names its release, because either alone would be a lie."""
        image = f"{self.release}@{self.image}" if self.image else None
        return {"release": self.release, "image": image, "migrate": "true" if self.migrate else None}


@dataclass(frozen=True, slots=True)
class Deployed:
    """What was done: the changes that were previewed and the contract that was published."""

    changes: tuple[Change, ...]
    contract: dict[str, Any]


def judge(stack: Stack, namespace: str, wanted: Wanted) -> list[Change]:
    """Return what the deployment would change; the stack's settings are put back in any case.

    Raises `InfraError` (`deployment-unexpected`) when it would change more than a deployment may.
    """
    before = _kept(stack)
    try:
        _set(stack, wanted.settings())
        found = changes(stack.preview())
        if wrong := unexpected(found, namespace):
            raise InfraError(
                "deployment-unexpected",
                what=f"this deployment of {stack.name} would change more than a release may",
                why="; ".join(map(str, wrong)),
                state="nothing was applied, and the stack's settings are what they were",
                next=f"pulumi preview --diff --stack {stack.name}; let the layer's owner bring these up first",
            )
    finally:
        _set(stack, before)
    return found


def deploy(
    stack: Stack,
    namespace: str,
    wanted: Wanted,
    *,
    smoke: Callable[[], list[str]],
    live_release: Callable[[], str],
    hopeless: Hopeless,
    say: Say,
) -> Deployed:
    """Deploy what is wanted; if it does not come up, or citizens would see it, the release before is put back.

    `smoke` returns what is wrong for those who use the system; `live_release` reads the published contract back from
    the cluster; `hopeless` says why its pods will never come up, or None. Raises `InfraError`:
    `deployment-rolled-back` when the release before serves again, `deployment-stuck` when that could not be shown.
    """
    if wrong := smoke():
        raise InfraError(
            "system-already-unwell",
            what=f"{stack.name} does not answer as it should before the deployment",
            why="; ".join(wrong),
            state="nothing was changed",
            next="mend the system first: a deployment could not be judged",
        )
    before = _kept(stack)
    found = judge(stack, namespace, wanted)
    say(f"preview: {', '.join(map(str, found)) or 'nothing changes'}")
    try:
        _set(stack, wanted.settings())
        stack.up(say, hopeless)
        if wrong := smoke():
            raise InfraError(
                "smoke-failed",
                what=f"release {wanted.release} of {stack.name} came up and does not answer as it should",
                why="; ".join(wrong),
                state="it is being put back",
                next="read the pods' logs",
            )
        if (published := live_release()) != wanted.release:
            raise InfraError(
                "contract-stale",
                what=f"the contract in the cluster names release {published}",
                why=f"{wanted.release} was deployed",
                state="it is being put back",
                next=f"pulumi refresh --stack {stack.name}",
            )
    except InfraError as reason:
        _put_back(stack, before, reason, smoke, say)
    return Deployed(tuple(found), stack.outputs().get("contract", {}))


def _put_back(
    stack: Stack, before: dict[str, str | None], reason: InfraError, smoke: Callable[[], list[str]], say: Say
) -> None:
    say(f"{reason.what}; putting the release before back")
    why = f"{reason.what}: {reason.why}"
    try:
        _set(stack, before)
        stack.up(say, refresh=True)
        wrong = smoke()
    except InfraError as second:
        wrong = [f"{second.what}: {second.why}"]
    if wrong:
        raise InfraError(
            "deployment-stuck",
            what=f"the deployment of {stack.name} failed, and the release before does not answer as it should",
            why=f"{why}; then {'; '.join(wrong)}",
            state="the stack's settings name the release before; the pods that answered before were not stopped first",
            next=f"pulumi up --stack {stack.name}, and look at the pods of its namespace now",
        ) from reason
    raise InfraError(
        "deployment-rolled-back",
        what=f"the deployment of {stack.name} was put back",
        why=why,
        state="the release before serves again, and answers as it did",
        next="mend the image, then deploy again",
    ) from reason


def _kept(stack: Stack) -> dict[str, str | None]:
    found = stack.settings()
    kept = {key: found.get(key) for key in _KEYS}
    if (image := kept["image"]) and "@" not in image and kept["release"]:
        # Written before digests named their release; the way back must not be refused for it.
        kept["image"] = f"{kept['release']}@{image}"
    return kept


def _set(stack: Stack, values: dict[str, str | None]) -> None:
    found = stack.settings()
    for key, value in values.items():
        if found.get(key) != value:
            stack.set(key, value)
