"""Refusals of a program's request, in its words: members of the body, not options of a command."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from broadcast.data_files import parsed
from broadcast.errors import BroadcastError
from broadcast.message import Message
from broadcast.quoting import visible
from broadcast.stored_message import UNREADABLE
from broadcast.views.texts import Language, Texts

#: Where a message of the broker says its idempotency key.
KEY: Final = '"key"'
#: The members of a request in the place of the options of ``send``.
_MEMBERS: Final[dict[str, str]] = parsed(__file__, "request_members.json")
#: A command, which keeps its options, up to the end of its sentence; or an option.
_COMMAND_OR_OPTION: Final = re.compile(
    r"`broadcast [^`]*`|\bbroadcast [a-z-]+(?: [\w{}=/@-]+)*|--[a-z]+(?:-[a-z]+)*"
)

#: Facts that name options of ours.
_OF_OPTIONS: Final = frozenset({"option", "options", "needed", "other"})


def refusal(message: Message, texts: Texts, *, key: str = KEY) -> str:
    """Return in one line why a request was refused, or that this release has no text for it.

    It may quote the request, so nothing of it acts on a terminal or on a log. *key*: where a
    program says its idempotency key.
    """
    try:
        words = _ProgramTexts(texts, key)(text_of(message.id, texts), **message.facts)
    except (KeyError, ValueError, TypeError):
        # Kept by another release, under an id or with facts of its own.
        return texts(UNREADABLE)
    return visible(words)


class _ProgramTexts(Texts):
    """Texts with members of a request in place of options; another fact is quoted to the letter."""

    def __init__(self, texts: Texts, key: str) -> None:
        super().__init__(texts.language, distances=texts.has_distances)
        self._texts, self._key = texts, key

    def __call__(self, what: Message | BroadcastError | str, /, **facts: object) -> str:
        options = {
            name: in_members(one, key=self._key)
            for name in _OF_OPTIONS & facts.keys()
            if isinstance(one := facts[name], str)
        }
        return super().__call__(what, **{**facts, **options})

    def names_zone(self) -> bool:
        return self._texts.names_zone()

    def template(self, message_id: str) -> str:
        return in_members(super().template(message_id), key=self._key, template=True)


def text_of(message_id: str, texts: Texts) -> str:
    """Return the id of the text for programs, where what they can do is not what a command can."""
    own = f"by_program.{message_id}"
    return own if texts.has(own) else message_id


def explained(what: BroadcastError | Message, language: Language = "en") -> str:
    """Return an error, or a notice, in one line, for a program's log or its user."""
    return refusal(what if isinstance(what, Message) else what.message, Texts(language))


def notices(made: Iterable[Message], texts: Texts, *, key: str = KEY) -> list[dict[str, str]]:
    """Return the notices on a broadcast that was stored, as JSON has them."""
    return [{"code": one.id, "text": refusal(one, texts, key=key)} for one in made]


def in_members(text: str, *, key: str = KEY, template: bool = False) -> str:
    """Return *text* with the members of a request in place of the options of ``send``.

    *template*: it has placeholders that are filled later.
    """
    members = {**_MEMBERS, "--key": key}

    def member(found: re.Match[str]) -> str:
        known = members.get(found[0])
        if known is None or not template:
            return known or found[0]
        return known.replace("{", "{{").replace("}", "}}")

    return _COMMAND_OR_OPTION.sub(member, text)
