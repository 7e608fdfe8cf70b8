"""A program is told of the members of its request, never of a command's options."""

from __future__ import annotations

import re

import pytest

from broadcast.message import Message
from broadcast.stored_message import UNREADABLE
from broadcast.views.program_words import in_members, refusal
from broadcast.views.texts import LANGUAGES, Language, Texts, _catalogue

#: Texts of what refuses a submit, as far as a program can meet them.
REFUSALS = re.compile(
    r"(by_program\.)?error\.(key|title|at|submit|plan|exclude|request)\.|error\.content\.music"
    r"|error\.settings\.(unknown_account|which_account)"
)
COMMAND = re.compile(r"`broadcast [^`]*`|broadcast [a-z]+ [^.;。；]*")


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_refusal_names_an_option_outside_of_a_command(language: Language) -> None:
    texts = {
        name: in_members(text)
        for name, text in _catalogue(language)._catalog.items()  # type: ignore[attr-defined]
        if REFUSALS.match(str(name))
    }

    assert len(texts) > 40
    # Whom `which_account` also speaks to has no such member.
    left = {name: COMMAND.sub("", text).replace("--all", "") for name, text in texts.items()}
    assert {name: text for name, text in left.items() if "--" in text} == {}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Add --again.", 'Add "again": true.'),
        ("用 --at 改到别的日子", '用 "at" 改到别的日子'),
        (
            "First run: broadcast followers sync --account shop. Or --late-by",
            'First run: broadcast followers sync --account shop. Or "late_by"',
        ),
        ("`broadcast list --title x`, --title", '`broadcast list --title x`, "title"'),
        (
            "belongs to broadcast 20261127-abcdef, use another --key",
            'belongs to broadcast 20261127-abcdef, use another "key"',
        ),
        ("Choose --accounts or --kind", "Choose --accounts or --kind"),
    ],
)
def test_options_are_members_and_commands_stay(text: str, told: str) -> None:
    assert in_members(text) == told


@pytest.mark.parametrize(
    "message",
    [
        Message("error.of_a_later_release", n=1),
        Message("error.key.too_long", size=1),
        Message("error.dead.more", n="x"),
        Message("dead.line", times="x"),
        Message("error.plan.sample_too_small", sample="1", people="x", left=1),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_reason_of_another_release_is_told_as_such(message: Message, language: Language) -> None:
    texts = Texts(language)

    assert refusal(message, texts) == texts(UNREADABLE)


def test_what_a_request_quotes_acts_on_nobodys_terminal() -> None:
    hostile = Message("error.settings.unknown_account", account="a\n\x1b[31m\x9b", names="shop")

    told = refusal(hostile, Texts("en"))

    assert told.isprintable()
    assert "a??[31m?" in told


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "message",
    [
        Message("error.broadcast.ended", id="x"),
        Message("error.retry.cancelled", id="x"),
        Message("notice.submit.overlap", id="x", count=1, planned=2, at="x", commands="", file=""),
    ],
)
def test_what_a_program_can_look_at_itself_names_no_command_and_no_address(
    message: Message, language: Language
) -> None:
    told = refusal(message, Texts(language))

    assert told != Texts(language)(UNREADABLE)
    assert "`broadcast " not in told
    assert "/v1/" not in told


@pytest.mark.parametrize(("read", "told"), [(1, "among 1 value,"), (2, "among 2 values,")])
def test_one_value_and_several_are_told_as_such(read: int, told: str) -> None:
    message = Message("error.audience.none_valid", field="openids", read=read, examples="“x”")

    assert told in refusal(message, Texts("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_options_in_what_a_program_wrote_are_quoted_to_the_letter(language: Language) -> None:
    texts = Texts(language)
    name = "50% off --at {noon} --title"
    taken = Message("error.campaign.name_taken", name=name)
    word = Message("error.campaign.word", option="--missed", text="--at", known="ask, late, skip")

    assert name in refusal(taken, texts)
    assert '"missed"' in refusal(word, texts)
    assert "--at" in refusal(word, texts)
