"""`broadcast explain`: every code and every recorded text of WeChat, in plain words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from broadcast.errors import InputError
from broadcast.message import Message
from broadcast.rules import finish_events
from broadcast.views.delivered import fix
from broadcast.views.errcode_words import ELSEWHERE, OF_OTHERS
from broadcast.views.texts import LANGUAGES, Language, Texts
from broadcast.wechat.errcodes import errcodes, recognised
from entrypoints.cli.commands.explain import called_at, explained, meant, of_the_end
from tests.unit.views.reports import EN

PAGE = Path(__file__).parents[3] / "docs/wechat-api.md"
RANGE = re.compile(r"(-?\d+)(?:–(\d+))?")
#: What stands between backticks in the column of texts and is none.
NO_TEXTS = {'"msg_id"'}


def recorded() -> list[tuple[set[int], str]]:
    """Return each text of the page's table with the codes of its row."""
    table = PAGE.read_text("utf-8").partition("### 9.2 Table")[2].partition("\n## ")[0]
    found = []
    for row in table.splitlines():
        cells = [cell.strip() for cell in row.split("|")[1:-1]]
        if len(cells) == 4 and RANGE.match(cells[0].strip("*")):
            codes = {
                code
                for first, last in RANGE.findall(cells[0].replace("*", ""))
                for code in range(int(first), int(last or first) + 1)
            }
            found += [(codes, text) for text in re.findall(r"`([^`]+)`", cells[1])]
    return [(codes, text) for codes, text in found if text not in NO_TEXTS]


def texts_of_one_kind(text: str) -> list[str]:
    """Return the texts that the page writes as one: title/description/url size out of limit."""
    first, _, rest = text.partition(" ")
    return [f"{one} {rest}" for one in first.split("/")] if "/" in first else [text]


RECORDED = [(codes, one) for codes, text in recorded() for one in texts_of_one_kind(text)]


def test_the_table_of_the_page_is_read() -> None:
    assert len(RECORDED) > 100
    assert ({42010}, "masssend fast, retry again rid: 6253eba7-17436604-690f1f04") in RECORDED


@pytest.mark.parametrize(("codes", "text"), RECORDED)
def test_every_recorded_text_is_recognised_as_it_stands(codes: set[int], text: str) -> None:
    assert set(recognised(text.replace("rid: …", "").rstrip("…"))) & codes


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("errcode", sorted(errcodes()))
def test_every_code_has_its_meaning_and_what_to_do(errcode: int, lang: Language) -> None:
    texts = Texts(lang)
    lines = list(explained(errcode))
    told = "\n".join(map(texts, lines))

    assert texts("explain.no_meaning") not in told
    assert any(line.id.startswith(("fix.", "explain.fix")) for line in lines)
    assert errcodes()[errcode].errmsg in told


def test_a_code_that_no_mass_send_ends_with_says_where_it_comes_from() -> None:
    assert [line.id for line in explained(45057)] == [
        "explain.code",
        "explain.meaning",
        "explain.call",
        "explain.fix",
    ]
    assert "tags" in EN(list(explained(45057))[2])
    assert set(OF_OTHERS) <= set(errcodes())
    assert not set(OF_OTHERS) & ELSEWHERE


def test_a_code_of_a_mass_send_says_what_it_means_elsewhere() -> None:
    assert [line.id for line in explained(45009)] == [
        "explain.code",
        "explain.meaning",
        "explain.outcome",
        "explain.fix",
        "explain.token",
        "explain.elsewhere",
    ]


def test_a_code_that_no_list_names_is_told_as_one() -> None:
    assert [line.id for line in explained(987654)] == [
        "explain.unlisted",
        "explain.outcome",
        "fix.unlisted",
    ]


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("45009", [45009]),
        ("-1", [-1]),
        ("987654", [987654]),
        ('{"errcode":45065,"errmsg":"clientmsgid exist","msg_id":3147494552}', [45065]),
        (
            (
                "POST /cgi-bin/tags/delete: 45058 can't modify sys tag"
                " (rid 653bb509-24e6f87d-39040001)"
            ),
            [45058],
        ),
        ("System Error", [-1, 61450]),
        ("api unauthorized, rid: 68f0517e-00000000-00012345", [48001]),
        ("user not agree mass-send protocol hint: [VeWTtb0059ge14]", [48003]),
    ],
)
def test_codes_are_found_in_what_a_person_pastes(text: str, codes: list[int]) -> None:
    assert list(meant(text)) == codes


@pytest.mark.parametrize("text", ["", "nonsense", "the msg_id is 3147494276", "rid 12345"])
def test_what_names_no_code_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        meant(text)

    assert caught.value.message_id == "error.usage.code"


def test_a_rid_says_when_the_call_was_made() -> None:
    (line,) = called_at("invalid openid rid: 653bb509-24e6f87d-3904c018")

    assert "2023-10-27 21:03" in EN(line)
    assert list(called_at("invalid openid")) == []
    assert isinstance(line, Message)


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("number", sorted(finish_events.REVIEWS))
def test_each_status_of_a_finish_event_is_explained_and_taken_for_no_errcode(
    number: int, lang: Language
) -> None:
    what, rest = map(Texts(lang), of_the_end(f"err({number})"))

    assert f"err({number})" in what
    assert Texts(lang)("finish.err.other", n=number) not in what
    assert "broadcast status" in rest
    assert Texts(lang)(fix(f"err({number})")) in rest
    if number not in errcodes():
        assert list(of_the_end(str(number))) == list(of_the_end(f"err({number})"))


def test_each_number_that_is_documented_for_the_end_of_a_job_is_taken_for_that_end() -> None:
    numbers = re.findall(r"^\| err\((\d+)\) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    assert len(numbers) > len(finish_events.REVIEWS)

    for number in numbers:
        ended = [f"err({number})", number][: 1 if int(number) in errcodes() else 2]
        for text in ended:
            assert [line.id for line in of_the_end(text)] == ["explain.end", "explain.end_refused"]


def test_an_errcode_is_no_status_of_a_finish_event() -> None:
    assert list(of_the_end("40001")) == list(of_the_end("45009")) == []


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("err(20001)", "Change what the review objects to"),
        ("err(30001)", "later"),
        ("err(30002)", "Replace the article"),
        ("err(30003)", "--send-ignore-reprint"),
        ("err(40001)", "Ask the account's administrator"),
        ("err(40002)", "within 30 minutes"),
        ("err(20431)", "names no reason"),
        ("send fail", "names no reason"),
    ],
)
def test_what_to_do_fits_what_stopped_the_job(status: str, said: str) -> None:
    told = EN(list(of_the_end(status))[1])

    assert said in told
    assert ("Change what the review" in told) is (status == "err(20001)")


@pytest.mark.parametrize("word", ["SEND_FAIL", "send_fail", "Send  Fail"])
def test_the_word_of_mass_get_is_explained_as_that_of_the_event(word: str) -> None:
    assert [EN(one) for one in of_the_end(word)] == [EN(one) for one in of_the_end("send fail")]
    assert [one.id for one in of_the_end("SEND_SUCCESS")] == ["explain.end", "explain.end_good"]


def test_other_ends_of_a_job_are_explained_too() -> None:
    assert [line.id for line in of_the_end("err(20431)")] == ["explain.end", "explain.end_refused"]
    assert "does not document" in EN(next(of_the_end("err(20431)")))
    assert [line.id for line in of_the_end("send success")] == ["explain.end", "explain.end_good"]
    assert [line.id for line in of_the_end("send fail")] == ["explain.end", "explain.end_refused"]
    assert list(of_the_end("send job submission success")) == []


@pytest.mark.parametrize("text", ["9" * 5_000, f"-{'9' * 5_000}", f'{{"errcode": {"9" * 5_000}}}'])
def test_a_number_longer_than_any_code_is_none(text: str) -> None:
    assert list(of_the_end(text)) == []
    with pytest.raises(InputError) as caught:
        meant(text)
    assert caught.value.message_id == "error.usage.code"
