"""Words that a stranger tries first, and no secret may be."""

from __future__ import annotations

from typing import Final

from broadcast.data_files import parsed

#: As NIST SP 800-63B has it.
SHORTEST: Final = 8
#: So many different signs has whatever was made by chance.
_DIFFERENT: Final = 3
_TRIED: Final = frozenset(parsed(__file__, "guessed_secrets.json"))


def is_guessable(secret: str) -> bool:
    """Return whether *secret* is short, one of the first that are tried, or hardly changes."""
    tried = secret.lower()
    return len(tried) < SHORTEST or tried in _TRIED or len(set(tried)) < _DIFFERENT
