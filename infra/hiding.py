"""Takes secrets out of what is said: values of this process's own environment, and logins in addresses; pure.

Engines repeat what they were given when they fail, such as the address of a state with its password. Everything that
this package says passes here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

CALLED: Final = re.compile(
    r"(?i)(^|[_.-]|(?<=[a-z]))"
    r"(password|passwd|passphrase|secret|secret_?key|access_?key|token|private_?key|api_?key|storage_?key|credentials?)$"
)
"""What is called like this holds a secret."""
LOGIN: Final = re.compile(r"://[^\s/:@]+:(?P<password>[^\s/@]+)@")
"""A login in an address."""
HIDDEN: Final = "(hidden)"
_LETTERS_MIN: Final = 6
"""A shorter value would be found in words that are none, and its place would give it away."""


def hidden(text: str, environment: Mapping[str, str] | None = None) -> str:
    """Return a text without secrets of the environment (by default the process's own) and without passwords."""
    known = os.environ if environment is None else environment
    # Variables called credentials name files, and people must read where those are.
    secrets = {value for name, value in known.items() if CALLED.search(name) and not name.endswith("CREDENTIALS")}
    secrets |= {found["password"] for value in known.values() for found in LOGIN.finditer(value)}
    # Also as a driver decoded it; the longest first, so that none leaves the rest of another behind.
    for secret in sorted(secrets | {unquote(each) for each in secrets}, key=len, reverse=True):
        if len(secret) >= _LETTERS_MIN:
            text = text.replace(secret, HIDDEN)
    return LOGIN.sub(lambda found: found[0].replace(f":{found['password']}@", f":{HIDDEN}@"), text)
