"""``tags``: the account's tags at WeChat, and their followers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from broadcast import openid
from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.quoting import one_line
from broadcast.rules.accounts import Account
from broadcast.rules.calls.outcomes import Endpoint
from broadcast.views.objects import members
from broadcast.views.words import MOST_NAMED, code_of, follower_count
from broadcast.wechat.api.tags import (
    LONGEST_NAME,
    MOST_MEMBERS,
    SYSTEM_TAGS,
    AddToTag,
    RemoveFromTag,
    TagCreate,
    TagDelete,
    TagInfo,
    TagRename,
    TagsGet,
)
from broadcast.wechat.endpoint import Request
from entrypoints.cli import exits, tag_lookup
from entrypoints.cli.commands.options import AccountName, Yes, new_group
from entrypoints.cli.person_terminal import is_terminal
from entrypoints.cli.run import Run
from entrypoints.cli.tag_lookup import Tagged
from entrypoints.cli.terminal import short
from entrypoints.cli.wechat_calls import Called, call
from models.ledger.views import at_wechat
from producer.audience import openid_list
from producer.audience.openid_list import OpenIDs

app, tags = new_group("tags")

_Tag = Annotated[str, typer.Argument(metavar="TAG", help="help.tags.tag", show_default=False)]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="help.tags.name", show_default=False)]
_Openids = Annotated[Path, typer.Option("--openids", metavar="FILE", help="help.tags.openids")]
#: After so many followers it is said how far it is.
_PROGRESS_EVERY: Final = 5_000


@tags.command(name="list", help="help.tags.list")
def listing(run: Run, *, account: AccountName = None) -> None:
    """List the tags of an account."""
    chosen = run.account(account)
    all_tags = run.wechat.ask(chosen, TagsGet())
    for one in all_tags:
        own = "tags.line_system" if one.id in SYSTEM_TAGS else "tags.line"
        run.say(own, id=one.id, name=one_line(one.name), count=follower_count(one.count))
    if all(one.id in SYSTEM_TAGS for one in all_tags):
        run.note("tags.none", account=chosen.name)
    each = [_tag_json(one) | {"count": one.count} for one in all_tags]
    run.show_done({"account": chosen.name, "tags": each})


@tags.command(help="help.tags.create")
def create(run: Run, *, name: _Name, account: AccountName = None) -> None:
    """Make a tag; one that is there already is named."""
    written, chosen = checked_name(name), run.account(account)
    all_tags = run.wechat.ask(chosen, TagsGet())
    known = next((one for one in all_tags if one.name == written), None)
    made = known or run.wechat.ask(chosen, TagCreate(name=written))
    run.say("tags.exists" if known else "tags.created", id=made.id, name=made.name)
    _show(run, chosen, made)


@tags.command(help="help.tags.rename")
def rename(
    run: Run,
    *,
    tag: _Tag,
    name: _Name,
    account: AccountName = None,
) -> None:
    """Rename a tag."""
    written, chosen = checked_name(name), run.account(account)
    found = _own(run, chosen, tag)
    run.wechat.ask(chosen, TagRename(tag_id=found.id, name=written))
    run.say("tags.renamed", id=found.id, old=found.name, name=written)
    _show(run, chosen, TagInfo(id=found.id, name=written, count=found.count))


@tags.command(help="help.tags.delete")
def delete(
    run: Run,
    *,
    tag: _Tag,
    account: AccountName = None,
    yes: Yes = False,
) -> None:
    """Delete a tag; its followers stay."""
    chosen = run.account(account)
    found = _own(run, chosen, tag)
    if waiting := at_wechat.tag_sends_to_come(run.engine, chosen.name, found.id):
        raise InputError("error.tags.to_come", id=found.id, name=found.name, ids=list(waiting))
    run.confirm(
        "tags.question",
        "tags.declined",
        yes=yes,
        id=found.id,
        name=found.name,
        count=follower_count(found.count),
    )
    run.wechat.ask(chosen, TagDelete(tag_id=found.id))
    run.say("tags.deleted", id=found.id, name=found.name)
    _show(run, chosen, found)


@tags.command(help="help.tags.add")
def add(
    run: Run,
    *,
    tag: _Tag,
    source: _Openids,
    account: AccountName = None,
) -> int:
    """Add a tag to the followers of a list."""
    return _change(run, tag, source, account=account, adds=True)


@tags.command(help="help.tags.remove")
def remove(
    run: Run,
    *,
    tag: _Tag,
    source: _Openids,
    account: AccountName = None,
) -> int:
    """Remove a tag from the followers of a list."""
    return _change(run, tag, source, account=account, adds=False)


def checked_name(name: str) -> str:
    """Return the name of a tag. Raises InputError for one that WeChat refuses."""
    written = name.strip()
    if not written or len(written) > LONGEST_NAME or not written.isprintable():
        raise InputError("error.tags.name", most=LONGEST_NAME, text=short(name))
    return written


def chosen_tag(all_tags: Sequence[TagInfo], text: str, *, account: str) -> TagInfo:
    """Return the tag with this id or name.

    Raises InputError as :func:`entrypoints.cli.tag_lookup.chosen` does, and for WeChat's own.
    """
    found = tag_lookup.chosen(all_tags, text, account=account)
    if found.id in SYSTEM_TAGS:
        raise InputError("error.tags.system", id=found.id, name=one_line(found.name))
    return found


def _own(run: Run, account: Account, text: str) -> TagInfo:
    return chosen_tag(run.wechat.ask(account, TagsGet()), text, account=account.name)


def _show(run: Run, account: Account, tag: TagInfo) -> None:
    run.show_done({"account": account.name, "tag": _tag_json(tag)})


def _tag_json(tag: TagInfo) -> dict[str, Any]:
    return {"id": tag.id, "name": tag.name, "system": tag.id in SYSTEM_TAGS}


# Members


def _change(run: Run, named: str, source: Path, *, account: str | None, adds: bool) -> int:
    whose = run.account(account)
    with openid_list.read("-" if str(source) == "-" else source) as listed:
        tag = _own(run, whose, named)
        if listed.malformed.count:
            lines = [line for line, _ in listed.malformed.sample[:MOST_NAMED]]
            run.warn("tags.malformed", n=listed.malformed.count, lines=lines)
        kind: type[AddToTag | RemoveFromTag] = AddToTag if adds else RemoveFromTag

        def ask(some: Sequence[str]) -> Called:
            request: Request[None] = kind(tag_id=tag.id, openids=some)
            return call(run, whose, request, at=Endpoint.TAGS)

        looks = tag_lookup.is_lookup_cheaper(
            listed=listed.planned, tagged=tag.count, most=MOST_MEMBERS
        )
        wanted = openid.each_of(chunk.packed for chunk in listed.chunks())
        todo = _left(run, whose, tag, wanted=wanted, adds=adds) if looks else wanted
        progress = _progress(run, listed.planned)
        tagged = tag_lookup.carry_out(todo, ask, most=MOST_MEMBERS, tell=progress)
        tagged.already = listed.planned - tagged.meant if looks else None
    _say(run, tag, tagged, adds=adds)
    error = _first_refused(tagged) if tagged.ended is None else tagged.ended.why()
    shown = _object(whose, tag, listed, tagged=tagged)
    run.show_json({**shown, "error": error and run.terminal.in_words(error)})
    failed = exits.FAILED if tagged.refused else exits.DONE
    return failed if tagged.ended is None else tagged.ended.status


def _left(
    run: Run, account: Account, tag: TagInfo, *, wanted: Iterable[str], adds: bool
) -> Iterable[str]:
    """Yield the followers that need a call: all of *wanted* but those who are as wanted already."""
    present = openid.each_of(run.wechat.members(account, tag.id))
    pairs = tag_lookup.missing(wanted, present)
    return (one for one, is_present in pairs if is_present is not adds)


def _progress(run: Run, total: int) -> Any:
    reported = [0]

    def tell(done: int) -> None:
        if is_terminal() and done - reported[0] >= _PROGRESS_EVERY:
            reported[0] = done
            run.note("tags.progress", done=done, total=total)

    return tell


def _say(run: Run, tag: TagInfo, tagged: Tagged, *, adds: bool) -> None:
    run.say(
        "tags.added" if adds else "tags.removed", id=tag.id, name=one_line(tag.name), n=tagged.done
    )
    if tagged.already is not None:
        name = "tags.had_it" if adds else "tags.did_not_have_it"
        run.say(name, n=tagged.already)
    run.say_all(_refused(tagged)[:MOST_NAMED])
    if len(tagged.refused) > MOST_NAMED:
        run.say("tags.refused_more", n=len(tagged.refused) - MOST_NAMED)
    if tagged.ended is not None:
        run.say("tags.ended", left=tagged.left, why=tagged.ended.why())


def _refused(tagged: Tagged) -> list[Message]:
    return [
        Message("tags.refused", openid=one, code=code_of(result.errcode, result.errmsg))
        for one, result in tagged.refused
    ]


def _first_refused(tagged: Tagged) -> Message | None:
    return next(iter(_refused(tagged)), None)


def _object(account: Account, tag: TagInfo, listed: OpenIDs, *, tagged: Tagged) -> dict[str, Any]:
    return {
        "account": account.name,
        "tag": _tag_json(tag),
        "read": listed.read,
        "malformed": listed.malformed.count,
        "duplicate": listed.duplicate.count,
        "already": tagged.already,
        "done": tagged.done,
        "refused": [
            {"openid": openid, **members(result, "errcode", "errmsg")}
            for openid, result in tagged.refused
        ],
        "left": tagged.left,
    }
