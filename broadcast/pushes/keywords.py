"""Keywords: a follower writes 退订 and gets no more broadcasts, or any word and gets its answer.

A message counts only as a whole: somebody who writes "怎么退订" asks, and does not unsubscribe.
Wide letters, capitals and spaces around make no difference.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, BeforeValidator

from broadcast.frozen import frozen

#: What undoes an unsubscription where no other word is set.
RESUBSCRIBE: Final = ("订阅",)
_LONGEST_WORD: Final = 32
#: WeChat cuts what is longer; found by test, its page names no limit.
_MOST_REPLY_BYTES: Final = 2048


class Action(StrEnum):
    """What a follower asked for by a keyword."""

    UNSUBSCRIBE = "unsubscribe"
    RESUBSCRIBE = "resubscribe"


def folded(text: str) -> str:
    """Return what is compared of a message or a keyword."""
    return unicodedata.normalize("NFKC", text).strip().casefold()


def _words(value: object) -> object:
    """Take a list, or words with commas between them as the environment has them."""
    if isinstance(value, str):
        written, value = value, value.replace("，", ",").split(",")
        if written.strip() and not any(word.strip() for word in value):
            raise ValueError("commas alone are no keyword")
    if isinstance(value, list | tuple) and all(isinstance(word, str) for word in value):
        return tuple(word for word in map(str.strip, value) if word)
    return value


def _checked(words: tuple[str, ...]) -> tuple[str, ...]:
    if not all(0 < len(folded(word)) <= _LONGEST_WORD for word in words):
        raise ValueError("a keyword has 1 to 32 characters")
    return words


def _answer(text: str) -> str:
    if not text.strip() or len(text.encode()) > _MOST_REPLY_BYTES:
        raise ValueError("a reply has 1 to 2048 bytes")
    return text


def _pairs(value: object) -> Any:  # noqa: ANN401 - pydantic checks what comes out
    """Take a table, or the JSON object that the environment has."""
    if isinstance(value, str):
        value = json.loads(value)
    return tuple(value.items()) if isinstance(value, dict) else value


def _checked_pairs(pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
    _checked(tuple(word for word, _ in pairs))
    for _, text in pairs:
        _answer(text)
    return pairs


Words: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_checked)]
Answer: TypeAlias = Annotated[str, AfterValidator(_answer)]
#: Keyword and text, in order.
Replies: TypeAlias = Annotated[
    tuple[tuple[str, str], ...], BeforeValidator(_pairs), AfterValidator(_checked_pairs)
]


@frozen
class Heard:
    """What a message asks for, and what is answered at once; neither, for most."""

    action: Action | None = None
    reply: str | None = None


_NOTHING: Final = Heard()


@frozen
class Keywords:
    """The keywords of one account. Without a word to unsubscribe there is none to undo it."""

    by_word: Mapping[str, Heard]

    @classmethod
    def of(
        cls,
        *,
        unsubscribe: tuple[str, ...],
        resubscribe: tuple[str, ...],
        replies: tuple[tuple[str, str], ...],
        answers: Mapping[Action, str],
    ) -> Keywords:
        """Build them from what is set. Raises KeyError with a word that has two meanings."""
        found: dict[str, Heard] = {}
        rules = {Action.UNSUBSCRIBE: unsubscribe}
        if unsubscribe:
            rules[Action.RESUBSCRIBE] = resubscribe
        meanings = [
            (word, Heard(action=action, reply=answers[action]))
            for action, words in rules.items()
            for word in words
        ]
        meanings += [(word, Heard(reply=text)) for word, text in replies]
        for word, heard in meanings:
            if found.setdefault(folded(word), heard) != heard:
                raise KeyError(word)
        return cls(by_word=found)

    def heard(self, text: str) -> Heard:
        """Return what a message asks for."""
        # Before it is folded: a long text costs time, and is no keyword.
        if len(text) > 4 * _LONGEST_WORD:
            return _NOTHING
        return self.by_word.get(folded(text), _NOTHING)
