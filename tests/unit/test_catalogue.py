"""The catalogue: complete in both languages, compiled, and the only place of texts for people."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po
from chinese_calendar.constants import Holiday
from pydantic import AliasChoices

from broadcast import errors
from broadcast.errors import BroadcastError
from broadcast.rules import content
from broadcast.rules.accounts import KEYWORDS, Account, AccountKind
from broadcast.rules.calls.outcomes import Outcome
from broadcast.rules.calls.retry import RetryVerdict
from broadcast.rules.campaigns.launches import LaunchState, Why
from broadcast.rules.reports import SETS, SKIPS, Did
from broadcast.rules.states import BatchState, BroadcastState, Reason
from broadcast.settings.program_settings import Settings
from broadcast.views import errcode_words
from broadcast.views.texts import LANGUAGES, LOCALE_DIR
from broadcast.wechat.call_errors import TransportKind
from broadcast.wechat.errcodes import errcodes
from entrypoints.http import problems
from producer.request import shape
from tools.packages import OURS

ROOT = Path(__file__).resolve().parents[2]
#: Parts of ids that code puts together.
BEGINNING = re.compile(r"[a-z_]+(\.[a-z_]+)*\.\Z")
STEM = re.compile(r"[a-z_]+(\.[a-z_]+)+\Z")
ENDING = re.compile(r"[._][a-z_]+\Z")
CJK = re.compile(r"[\u3000-\u303f\u3400-\u9fff\uff00-\uffef]")
#: What is called with the id of a text and its facts.
ASKING = {
    "Message",
    "texts",
    "in_words",
    "_texts",
    "say",
    "note",
    "warn",
    "fail",
    "confirm",
    "decline",
}
#: What a person writes, not reads; and what followers read.
READ = {
    "用户标识",
    "订阅",
    "，",
    "今天",
    "明天",
    "后天",
    "昨天",
    "前天",
    "年月日",
    ":：",
    "－",
    "一二三四五六日",
    "周",
    "月",
    "日",
}


@cache
def catalogue(lang: str) -> dict[str, str]:
    """Return id and text of the source."""
    with (LOCALE_DIR / lang / "LC_MESSAGES" / "broadcast.po").open("rb") as file:
        return {str(entry.id): str(entry.string) for entry in read_po(file) if entry.id}


@cache
def code() -> dict[Path, ast.Module]:
    """Return every module of the packages."""
    files = [file for package in OURS for file in sorted((ROOT / package).rglob("*.py"))]
    return {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}


@cache
def data() -> set[str]:
    """Return the words of the data files of the packages; ids of texts are among them."""
    files = [f for one in OURS for f in (ROOT / one).rglob("*") if f.suffix in {".csv", ".json"}]
    return {word for file in files for word in re.findall(r"[\w.]+", file.read_text("utf-8"))}


def placeholders(message: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(message) if name is not None}


def formats(message: str) -> set[tuple[str, str]]:
    """Return each placeholder with its form; the words for one and for several are a language's."""
    parsed = string.Formatter().parse(message)
    return {(name, (form or "").partition("|")[0]) for _, name, form, _ in parsed if name}


@cache
def nodes(tree: ast.Module) -> list[ast.AST]:
    return list(ast.walk(tree))


def strings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def calls(tree: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Yield every call with the last part of the name that is called."""
    for node in nodes(tree):
        if isinstance(node, ast.Call):
            called = node.func
            name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
            yield str(name), node


@cache
def error_classes() -> set[str]:
    """Return the names of all errors that carry a catalogue id."""
    for file in code():
        if "commands" not in file.parts and file.name not in {"main.py", "__main__.py"}:
            parts = file.relative_to(ROOT).with_suffix("").parts
            import_module(".".join(part for part in parts if part != "__init__"))
    found, rest = set(), [BroadcastError]
    while rest:
        kind = rest.pop()
        found.add(kind.__name__)
        rest += kind.__subclasses__()
    return found


def asked_ids() -> Iterator[tuple[str, bool]]:
    """Yield (id, True) for each id that code asks for, and (beginning, False) where it is built."""
    for tree in code().values():
        for name, call in calls(tree):
            first = call.args[0] if call.args else None
            named = [k.value for k in call.keywords if k.arg == "help"]
            wanted = [first] if name in ASKING or name in error_classes() else []
            for value in [*wanted, *named]:
                if isinstance(value, ast.IfExp):
                    yield from ((one, True) for one in _either(value))
                elif isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value, True
                elif isinstance(value, ast.JoinedStr) and isinstance(value.values[0], ast.Constant):
                    yield str(value.values[0].value), False


def _either(value: ast.IfExp) -> list[str]:
    """Return the ids between which is chosen, where both stand there."""
    each = [one.value for one in (value.body, value.orelse) if isinstance(one, ast.Constant)]
    return [one for one in each if isinstance(one, str)]


def test_both_languages_have_the_same_ids_with_the_same_placeholders() -> None:
    zh, en = catalogue("zh"), catalogue("en")

    assert set(zh) == set(en)
    assert {i: formats(t) for i, t in zh.items()} == {i: formats(t) for i, t in en.items()}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_id_has_one_text(lang: str) -> None:
    """A second one, left by a merge, would be dropped without a word."""
    source = (LOCALE_DIR / lang / "LC_MESSAGES" / "broadcast.po").read_text("utf-8")
    lines = re.findall("^msg(?:id|str) ", source, re.MULTILINE)

    assert lines == ["msgid ", "msgstr "] * (len(lines) // 2)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_text_is_there_and_compiled(lang: str) -> None:
    folder = LOCALE_DIR / lang / "LC_MESSAGES"
    with (folder / "broadcast.po").open("rb") as file:
        source = read_po(file)
    compiled = BytesIO()
    write_mo(compiled, source)
    compiled.seek(0)
    with (folder / "broadcast.mo").open("rb") as file:
        shipped = {str(e.id): str(e.string) for e in read_mo(file) if e.id}

    assert not [i for i, t in catalogue(lang).items() if not t.strip() and i != "code"]
    assert shipped == {str(e.id): str(e.string) for e in read_mo(compiled) if e.id}


def test_english_is_english_and_chinese_is_chinese() -> None:
    """A few proper names aside, a text is in its own language."""
    wrong = [i for i, t in catalogue("en").items() if len(CJK.findall(t)) > len(t) / 3]
    latin = [
        i
        for i, t in catalogue("zh").items()
        if not CJK.search(t)
        and t == catalogue("en")[i]
        and re.search(r"[a-z]{4}.*[a-z]{4}", re.sub(r"{.*?}", "", t))
    ]

    assert wrong == []
    assert [i for i in latin if not i.startswith(("accounts.", "check.subject.token"))] == []


def test_no_blank_stands_beside_a_full_width_mark() -> None:
    """They bring their own room; a moment in words ends with such a bracket."""
    marks = "[，。：；、？！（）“”…]"
    beside = re.compile(rf"{marks} +(?!$)|(?<=\S) +{marks}|(?<!北京时间 ){{(at|until)}} ")

    found = [i for i, t in catalogue("zh").items() if beside.search(t)]

    assert found == []


def test_a_blank_parts_chinese_words_from_a_moment_and_its_marks_are_full_width() -> None:
    words = {
        # Programs and JSON are quoted as they are.
        key: re.sub(r"`[^`]*`|“[^”]*”|\{[^}]*:[^}]*\}", "x", text)
        for key, text in catalogue("zh").items()
    }

    moment = r"[一-鿿]\{(at|due|since|stored|synced|until)\}"
    half = r"[一-鿿][,;!?()]|[,;!?()][一-鿿]"
    wrong = re.compile(f"{moment}|{half}")
    assert {key: text for key, text in words.items() if wrong.search(text)} == {}


def test_what_is_said_of_a_part_out_of_reach_is_a_whole_sentence() -> None:
    """What became of the broadcast is said right after it."""
    rooms = ("redis", "schema", "durability", "database", "broker", "wechat", "token", "embedded")
    parts = tuple(f"error.{room}." for room in rooms)
    ends = {"en": (".", "?"), "zh": ("。", "？")}

    for lang in LANGUAGES:
        there = {i: t for i, t in catalogue(lang).items() if i.startswith(parts)}
        assert there
        assert [i for i, t in there.items() if not t.endswith(ends[lang])] == []


def test_every_id_that_code_asks_for_exists() -> None:
    known = set(catalogue("zh"))
    missing = {i for i, whole in asked_ids() if whole and i not in known}
    beginnings = {i for i, whole in asked_ids() if not whole}

    assert missing == set()
    assert [i for i in beginnings if not any(k.startswith(i) for k in known)] == []


def test_every_placeholder_is_filled_where_its_text_is_asked_for() -> None:
    known, found = catalogue("zh"), []
    for file, tree in code().items():
        for name, call in calls(tree):
            first = call.args[0] if call.args else None
            asks = name in ASKING or name in error_classes()
            if not asks or not isinstance(first, ast.Constant) or first.value not in known:
                continue
            given = {keyword.arg for keyword in call.keywords}
            missing = placeholders(known[str(first.value)]) - given
            if missing and None not in given:
                found.append(f"{file.relative_to(ROOT)}:{call.lineno} {missing}")

    assert found == []


def built() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return how the ids begin, and how they end, that code puts together."""
    beginnings, endings = set(), set()
    for tree in code().values():
        beginnings |= {
            str(node.value) for node in strings(tree) if BEGINNING.match(str(node.value))
        }
        for node in nodes(tree):
            parts = node.values if isinstance(node, ast.JoinedStr) else []
            if len(parts) > 1:
                first, last = (str(getattr(parts[at], "value", "")) for at in (0, -1))
                beginnings |= {first} if STEM.match(first) else set()
                endings |= {last} if ENDING.match(last) else set()
    return tuple(beginnings), tuple(endings)


def test_no_text_is_left_that_nobody_asks_for() -> None:
    beginnings, endings = built()
    spoken = data() | {node.value for tree in code().values() for node in strings(tree)}

    def is_asked_for(message_id: str) -> bool:
        ends = (ending for ending in endings if message_id.endswith(ending))
        return message_id in spoken or any(message_id.removesuffix(one) in spoken for one in ends)

    left = [i for i in catalogue("zh") if not is_asked_for(i) and not i.startswith(beginnings)]
    assert left == []


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_member_of_the_closed_sets_has_its_text(lang: str) -> None:
    wanted = {
        *(f"reason.{reason.name.lower()}" for reason in Reason),
        *(f"state.batch.{state}" for state in BatchState),
        *(f"state.broadcast.{state}" for state in BroadcastState),
        *(f"state.short.{state}" for state in BroadcastState),
        *(f"outcome.{outcome}" for outcome in Outcome),
        *(f"fix.{outcome}" for outcome in Outcome),
        *(f"transport.{kind}" for kind in TransportKind),
        *(f"account_kind.{kind}" for kind in AccountKind),
        *(f"set.{name}" for name in SETS),
        *(f"skip.{name}" for name in SKIPS),
        *(f"skip.word.{name}" for name in SKIPS),
        *(f"errcode.{number}" for number in errcodes()),
        *(f"fix.account.{number}" for number in errcode_words.OF_ACCOUNTS),
        *(f"fix.send.{number}" for number in errcode_words.OF_SENDS),
        *(f"fix.token.{number}" for number in errcode_words.OF_TOKENS),
        *errcode_words.PLACES.values(),
        *content._REASONS.values(),
        *shape._REASONS.values(),
        *errors._OF_FILES.values(),
        *problems._FIXES.values(),
        *(f"operator_action.{did}" for did in Did),
        *(f"launch.{why}" for why in Why),
        *(f"error.launch.{state}" for state in LaunchState if state is not LaunchState.HELD),
        *(f"weekday.{number}" for number in range(1, 8)),
        *(f"holiday.{holiday.name}" for holiday in Holiday),
    }

    assert wanted - set(catalogue(lang)) == set()


def test_one_and_several_fill_the_same_placeholders() -> None:
    texts = catalogue("en")
    # Why one thing stands still is a sentence of its own, without a figure.
    ones = {i for i in texts if i.endswith("_one") and not i.startswith("blocker.")}

    assert ones >= {
        f"retry.left.{place}_one" for place in RetryVerdict if f"retry.left.{place}" in texts
    }
    assert [
        i for i in ones if placeholders(texts[i]) != placeholders(texts[i.removesuffix("_one")])
    ] == []


def test_every_setting_has_the_text_of_its_error() -> None:
    aliases = [field.validation_alias for field in Settings.model_fields.values()]
    names = [str(alias.choices[0]) for alias in aliases if isinstance(alias, AliasChoices)]

    assert len(names) == len(aliases)
    assert [n for n in names if f"error.settings.{n}" not in catalogue("zh")] == []


def test_every_key_of_an_account_has_the_text_of_its_error() -> None:
    own = {name for name in Account.model_fields if name not in KEYWORDS | {"appid", "appsecret"}}

    assert [n for n in sorted(own) if f"error.settings.{n}" not in catalogue("zh")] == []


def test_english_meanings_of_errcodes_are_those_of_the_table() -> None:
    table = {f"errcode.{row.code}": row.meaning for row in errcodes().values()}

    assert {i: t for i, t in catalogue("en").items() if i.startswith("errcode.")} == table
