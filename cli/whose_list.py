"""Before a list is sent that may be another account's: ``--yes`` does not answer that question."""

from __future__ import annotations

from collections.abc import Collection

from broadcast.errors import InputError
from broadcast.message import Message
from cli.terminal import Terminal
from producer.list_owner import ListOwner


def may_go(
    owner: ListOwner | None,
    confirmed: Collection[str],
    *,
    terminal: Terminal | None,
    repeat: str | Message,
) -> bool:
    """Return whether it may be sent; *confirmed*: the ids that were given, *repeat*: this command.

    Raises InputError, with the id, where nobody can be asked (*terminal* is None).
    """
    if owner is None or not owner.must_be_confirmed or owner.id in confirmed:
        return True
    facts = {"problem": owner.message, "account": owner.account}
    if terminal is None:
        name = "list_owner.refused" if isinstance(repeat, str) else "list_owner.refused_words"
        raise InputError(name, **facts, id=owner.id, command=repeat)
    return terminal.agrees(terminal.ask("list_owner.question", **facts))
