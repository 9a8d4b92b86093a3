"""One deployment from lint to proof: what is tried, in which order, and what puts the old release back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol, Self

from infra.deploy.expectations import Change, changes, told, unexpected
from infra.errors import InfraError

Say = Callable[[str], None]
Hopeless = Callable[[], str | None]
Settings = Mapping[str, str | None]
Refuse = Callable[[Mapping[str, str]], None]
_KEYS = ("release", "image", "migrate")


class Stack(Protocol):
    """What a deployment needs of a stack; `engine.Stack` is the real one."""

    @property
    def name(self) -> str: ...
    def settings(self) -> dict[str, str]: ...
    def trying(self, values: Mapping[str, str | None]) -> AbstractContextManager[Self]: ...
    def keep(self, tried: Self) -> None: ...
    def preview(self) -> dict[str, Any]: ...
    def up(self, say: Say, hopeless: Hopeless = ...) -> None: ...
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


def judge(stack: Stack, namespace: str, wanted: Wanted, refuse: Refuse, say: Say) -> list[Change]:
    """Return what the deployment would change, and say it field by field; the stack's settings stay what they are.

    Raises `InfraError`: what `refuse` raises, `deployment-unexpected` when it would change more than a deployment may.
    """
    with stack.trying(wanted.settings()) as tried:
        return _judged(tried, namespace, refuse, say)


def _judged(tried: Stack, namespace: str, refuse: Refuse, say: Say) -> list[Change]:
    refuse(tried.settings())
    found = changes(tried.preview())
    for line in told(found):
        say(f"preview: {line}")
    if wrong := unexpected(found, namespace):
        raise InfraError(
            "deployment-unexpected",
            what=f"this deployment of {tried.name} would change more than a release may",
            why="; ".join(map(str, wrong)),
            state="nothing was applied, and the stack's settings are what they were",
            next=f"pulumi preview --diff --stack {tried.name}; let the layer's owner bring these up first",
        )
    return found


def deploy(
    stack: Stack,
    namespace: str,
    wanted: Wanted,
    *,
    smoke: Callable[[], list[str]],
    refuse: Refuse,
    live_release: Callable[[], str],
    hopeless: Hopeless,
    say: Say,
) -> Deployed:
    """Deploy what is wanted; if it does not come up, or citizens would see it, the release before is put back.

    `smoke` returns what is wrong for those who use the system; `refuse` judges the settings that are to be tried, by
    rules and by what the cluster lacks; `live_release` reads the published contract back from
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
    # Asked before anything is tried: a shared state takes what came up for its settings, whether it serves or not.
    before = _before(stack, live_release)
    with stack.trying(wanted.settings()) as tried:
        found = _judged(tried, namespace, refuse, say)
        try:
            tried.up(say, hopeless)
            _assert_serves(stack.name, wanted, smoke, live_release)
            # Last of all: whoever is killed before leaves settings that name what served.
            stack.keep(tried)
        except KeyboardInterrupt:
            _put_back(stack, before, _interrupted(stack.name, wanted), smoke, say)
        except InfraError as reason:
            _put_back(stack, before, reason, smoke, say)
    return Deployed(tuple(found), stack.outputs().get("contract", {}))


def _assert_serves(name: str, wanted: Wanted, smoke: Callable[[], list[str]], live_release: Callable[[], str]) -> None:
    if wrong := smoke():
        raise InfraError(
            "smoke-failed",
            what=f"release {wanted.release} of {name} came up and does not answer as it should",
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
            next=f"pulumi refresh --stack {name}",
        )


def _put_back(stack: Stack, before: Settings, reason: InfraError, smoke: Callable[[], list[str]], say: Say) -> None:
    named = before["release"]
    say(f"{reason.what}; putting release {named} back")
    why = f"{reason.what}: {reason.why}"
    try:
        with stack.trying(before) as old:
            old.up(say)
            stack.keep(old)
        wrong = smoke()
    except KeyboardInterrupt:
        wrong = ["it was stopped (Ctrl-C or SIGTERM) while the release before was being put back"]
    except InfraError as second:
        wrong = [f"{second.what}: {second.why}"]
    if wrong:
        raise InfraError(
            "deployment-stuck",
            what=f"the deployment of {stack.name} failed, and the release before does not answer as it should",
            why=f"{why}; then {'; '.join(wrong)}",
            state=f"the release before is {named}; the pods that answered before were not stopped first",
            next=f"pulumi config set dcshift:release {named} --stack {stack.name}, pulumi up --stack {stack.name}, and "
            "look at the pods of its namespace now",
        ) from reason
    raise InfraError(
        "deployment-rolled-back",
        what=f"the deployment of {stack.name} was put back",
        why=why,
        state=f"release {named} serves again, and answers as it did",
        next="mend the image, then deploy again",
    ) from reason


def _interrupted(name: str, wanted: Wanted) -> InfraError:
    return InfraError(
        "deployment-interrupted",
        what=f"the deployment of release {wanted.release} of {name} was stopped",
        why="Ctrl-C or SIGTERM arrived before it was shown to serve",
        state="it is being put back",
        next="deploy again when you mean it",
    )


def _before(stack: Stack, live_release: Callable[[], str]) -> Settings:
    """Return the settings to go back to, with the release in them; raises `InfraError` when it cannot be known.

    A stack that names none serves the catalogue's, which may say another one by now: the digest knows its own, and the
    contract in the cluster knows what was published.
    """
    found = stack.settings()
    kept = {key: found.get(key) for key in _KEYS}
    of_image, _, digest = (kept["image"] or "").rpartition("@")
    kept["release"] = kept["release"] or of_image or live_release()
    if digest and not of_image:
        # Written before digests named their release; the way back must not be refused for it.
        kept["image"] = f"{kept['release']}@{digest}"
    return kept
