"""Bad input on the real command: one line that names the thing, exit 2, nothing stored."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.kit import media as kit
from tests.kit import template
from tests.kit.command_line import CommandLine
from tests.servers.proofs import not_proved

ONE = "oTEST0000000000000000000001A"
TWO = "oTEST0000000000000000000002B"
LIST = f"{ONE}\n{TWO}\n".encode()


@dataclass(frozen=True, kw_only=True)
class Case:
    """What is typed, what lies in the folder, and what the line must name."""

    name: str
    words: tuple[str | bytes, ...]
    says: tuple[str, ...]
    files: dict[str, bytes] = field(default_factory=dict)
    env: dict[str, str | None] = field(default_factory=dict)


PICTURE = kit.picture(size=(300, 200))
SEND = ("send", "--openids", "list.txt", "--text", "hello")
TO_LIST = ("send", "--openids", "list.txt")


def audience(name: str, data: bytes, *says: str, file: str = "list.txt") -> Case:
    return Case(
        name=name,
        words=("send", "--openids", file, "--text", "hello"),
        says=(file, *says),
        files={file: data},
    )


def setting(name: str, value: str | None, *says: str) -> Case:
    return Case(name=f"{name}={value}", words=SEND, says=says or (name,), env={name: value})


def typed(name: str, *words: str | bytes, says: tuple[str, ...]) -> Case:
    return Case(name=name, words=words, says=says)


def content(name: str, data: bytes, *says: str) -> Case:
    return Case(
        name=name,
        words=(*TO_LIST, "--content", "content.json"),
        says=says,
        files={"content.json": data},
    )


def media(name: str, option: str, file: str, data: bytes, *says: str) -> Case:
    return Case(name=name, words=(*TO_LIST, option, file), says=says, files={file: data})


CASES = [
    typed("no audience", "send", "--text", "hello", says=("--openids",)),
    typed("two audiences", *SEND, "--openids", "other.txt", says=("--openids",)),
    typed("two times", *SEND, "--at=2099-01-01 08:00", "--at", "x", says=("--at", "times")),
    typed("a switch two times", "cancel", "--yes", "x", "--yes", says=("--yes", "times")),
    typed("no audience, but content from a file", "send", "--content", "x", says=("--openids",)),
    typed("empty audience", "send", "--openids", "", "--text", "x", says=("--openids",)),
    typed("no content", *TO_LIST, says=("--text", "--image")),
    typed("two contents", *SEND, "--content", "x.json", says=("More than one content",)),
    typed("two kinds of media", *TO_LIST, "--voice", "a.mp3", "--card", "c", says=("one kind",)),
    typed("two voices", *TO_LIST, "--voice", "a.mp3", "--voice", "b.mp3", says=("one kind",)),
    typed("words of another kind", *SEND, "--video-title", "t", says=("--video-title", "--video")),
    typed("comments for nobody", *TO_LIST, "--image", "a", "--comments", "some", says=("some",)),
    typed("missing picture", *TO_LIST, "--image", "gone.jpg", says=("gone.jpg", "no such file")),
    typed("title for an id", *TO_LIST, "--mpnews", "Weekly", says=("Weekly", "media_id")),
    typed("unknown kind", "media", "upload", "a.jpg", "--kind", "film", says=("film", "voice")),
    media("not a picture", "--image", "page.jpg", b"<html>404</html>", "page.jpg", "JPG"),
    media("cut picture", "--image", "cut.jpg", PICTURE[: len(PICTURE) // 2], "cut.jpg", "cut off"),
    media("picture as a voice", "--voice", "photo.jpg", PICTURE, "JPG", "voice message", "MP3"),
    media("long voice", "--voice", "long.amr", kit.amr(61), "61.0 s", "60 s"),
    media("large voice", "--voice", "large.mp3", kit.mp3(140), "2.1 MB", "2.0 MB"),
    media("sound as a video", "--video", "a.mp4", kit.mp4(handler=b"soun"), "a.mp4"),
    typed("missing file", "send", "--openids", "gone.txt", "--text", "x", says=("gone.txt",)),
    typed("directory", "send", "--openids", ".", "--text", "x", says=("directory",)),
    audience("empty file", b"", "empty"),
    audience("blank lines", b"\n\n", "blank"),
    audience("nothing valid", b"alice\nbob\n", "alice", "Line 1"),
    audience("one single OpenID", f"{ONE}\n{ONE}\n".encode(), ONE, "at least two", "preview"),
    audience(
        "CSV without the column",
        b"name,phone\nann,1\nbob,2\n",
        "openid",
        "name, phone",
        file="list.csv",
    ),
    audience("binary file", bytes(range(256)) * 8, "binary"),
    audience("broken gzip", gzip.compress(LIST)[:-9], "gzip", file="list.gz"),
    audience("broken XLSX", b"PK\x03\x04" + b"\0" * 64, "XLSX", file="list.xlsx"),
    typed("empty text", *TO_LIST, "--text", "", says=("text is empty",)),
    typed("blank text", *TO_LIST, "--text", " \n ", says=("text is empty",)),
    typed("text that nobody sees", *TO_LIST, "--text", "\u200b\ufeff", says=("text is empty",)),
    typed("long text", *TO_LIST, "--text", "好" * 601, says=("601", "600")),
    typed("text that is no UTF-8", *TO_LIST, "--text", b"a\xff", says=("position 2",)),
    typed("control character", *TO_LIST, "--text", "a\x1b[31m", says=("U+001B", "position 2")),
    content("NUL", b'{"msgtype": "text", "text": {"content": "a\\u0000"}}', "U+0000"),
    content("lone surrogate", b'{"msgtype": "text", "text": {"content": "\\ud83d"}}', "position 1"),
    content("no JSON", b'{"msgtype": "text",}', "content.json", "line 1"),
    content("no object", b"[]", 'such as {"msgtype": "text"'),
    content("unknown msgtype", b'{"msgtype": "fax"}', "fax", "mpnews"),
    content("music", b'{"msgtype": "music"}', "music", "has no call"),
    content("no part", b'{"msgtype": "text"}', "text"),
    content(
        "hidden audience", b'{"msgtype": "text", "text": {"content": "a"}, "touser": []}', "touser"
    ),
    typed("missing text", *TO_LIST, "--text-file", "gone.txt", says=("--text-file gone.txt",)),
    typed(
        "a text and a file of one", *SEND, "--text-file", "x.txt", says=("More than one content",)
    ),
    typed("a pipe for two", "send", "--openids", "-", "--text-file", "-", says=("--text-file",)),
    Case(
        name="a text in another encoding",
        words=(*TO_LIST, "--text-file", "post.txt"),
        says=("--text-file post.txt", "UTF-8"),
        files={"post.txt": "好".encode("gb18030")},
    ),
    typed("missing content", *TO_LIST, "--content", "gone.json", says=("gone.json",)),
    typed("wrong account", *SEND, "--account", "shpo", says=("shpo", "default")),
    typed("empty key", *SEND, "--key", "", says=("--key",)),
    typed("long key", *SEND, "--key", "k" * 129, says=("--key", "129", "128")),
    typed("key with a line break", *SEND, "--key", "a\nb", says=("--key",)),
    typed("--at in the past", *SEND, "--at", "2020-01-01 08:00", says=("--at", "2020-01-01")),
    typed("--at that is no time", *SEND, "--at", "tomorrow", says=("--at", "tomorrow")),
    typed("--at with a date alone", *SEND, "--at", "2099-01-01", says=("--at", "2099-01-01")),
    typed("--until without --wait", *SEND, "--until", "finished", says=("--until", "--wait")),
    typed(
        "--account before a command of token",
        "token",
        "--account",
        "x",
        "refresh",
        says=("token refresh --account",),
    ),
    typed("unknown account of token", "token", "--account", "shpo", says=("shpo", "default")),
    typed("wrong --until", *SEND, "--wait", "--until", "read", says=("--until",)),
    typed("unknown option", *SEND, "--colour", says=("--colour", "send --help")),
    typed("misspelt option", "send", "--openid", "x", says=("--openid", "--openids")),
    typed("option without its value", "send", "--text", says=("--text",)),
    typed("an option in place of a text", *TO_LIST, "--text", "--wait", says=("--text=--wait",)),
    typed("an option in place of a list", *SEND[:1], "--openids", "--text", "x", says=("=--text",)),
    typed("value for a switch", *SEND, "--wait=3", says=("--wait",)),
    typed("argument too much", *SEND, "everybody", says=("everybody",)),
    typed("unknown command", "sned", says=("sned", "send")),
    typed("missing command", "db", says=("db --help",)),
    typed("missing id", "cancel", says=("No broadcast fits", "@last", "broadcast list")),
    typed("missing id of a sent one", "recall", says=("No broadcast fits", "@last")),
    typed("empty id", "cancel", "", says=("The id is empty", "@last")),
    typed("id that is no UTF-8", "status", b"a\xff", says=("does not exist",)),
    typed("id without an end", "cancel", "a" * 100_000, says=("does not exist", "a" * 64)),
    typed("unknown id", "status", "20261125-abcdef", says=("20261125-abcdef",)),
    typed("unknown id to cancel", "cancel", "nothing", says=("nothing",)),
    typed("number too small", "list", "--most", "0", says=("--most", "1 to 1000")),
    typed("number too large", "list", "--most", "1001", says=("--most", "1 to 1000")),
    typed("number that is none", "list", "--most", "x", says=("--most", "1 to 1000")),
    typed("number below zero", "simulator", "--followers", "-1", says=("--followers", "0 or more")),
    typed("code that is none", "explain", "abc", says=("abc",)),
    typed("account that is no UTF-8", "halt", "--account", b"shop\xff", says=("shop", "UTF-8")),
    typed("dead letter that is no UTF-8", "dead", "show", b"7\xff", says=("7", "UTF-8")),
    typed("one account and all", "halt", "--all", "--account", "default", says=("--all",)),
    setting("DATABASE_URL", "postgresql://u:Top@Half@127.0.0.1:1/x", "DATABASE_URL", "%40"),
    setting("REDIS_URL", "redis://:Top@y/Half@127.0.0.1:6/0", "REDIS_URL", "%40"),
    setting("WECHAT_APPID", None),
    setting("WECHAT_APPID", "x"),
    setting("WECHAT_APPSECRET", None),
    setting("WECHAT_APPSECRET", "abc"),
    Case(
        name="no account",
        words=SEND,
        says=("WECHAT_APPID", "WECHAT_APPSECRET"),
        env={"WECHAT_APPID": None, "WECHAT_APPSECRET": None},
    ),
    Case(
        name="secret file missing",
        words=SEND,
        says=("gone.secret",),
        env={"WECHAT_APPSECRET": None, "WECHAT_APPSECRET_FILE": "gone.secret"},
    ),
    setting("WECHAT_ACCOUNT_KIND", "robot"),
    setting("WECHAT_API_BASE", "api.weixin.qq.com"),
    setting("WECHAT_TOKEN_MODE", "newest"),
    setting("WECHAT_CALLS_PER_MINUTE", "-1"),
    setting("WECHAT_CALLS_PER_MINUTE", "fast"),
    setting("BROADCAST_BATCH_SIZE", "1"),
    setting("BROADCAST_BATCH_SIZE", "10001"),
    setting("DATABASE_URL", "oracle://u:hunter2-password@h/d"),
    setting("DATABASE_URL", "postgresql://u:hunter2-password@h:port/d"),
    setting("DATABASE_URL", "nonsense"),
    setting("DATABASE_URL", "sqlite:///x.db?colour=hunter2", "DATABASE_URL", "(colour)"),
    setting("DATABASE_URL", "sqlite:///x.db?timeout=hunter2", "DATABASE_URL", "(timeout)"),
    setting(
        "DATABASE_URL",
        "postgresql://u:hunter2@127.0.0.1:1/d?sslmode=disable&colour=red",
        "DATABASE_URL",
        "(colour)",
    ),
    setting(
        "DATABASE_URL",
        "mysql://u:hunter2@127.0.0.1:1/d?colour=red&read_timeout=3&connect_timeout=long",
        "DATABASE_URL",
        "(colour, connect_timeout)",
    ),
    setting("REDIS_URL", "http://localhost"),
    setting("REDIS_URL", "redis://:hunter2-password@host:port/0"),
    setting(
        "REDIS_URL",
        "redis://127.0.0.1:1/0?socket_timeout=3&password=hunter2",
        "REDIS_URL",
        "(password, socket_timeout)",
    ),
    setting("REDIS_URL", "redis://:12?hunter2=x@127.0.0.1:1/0"),
    setting("CELERY_BROKER_URL", "redis://:hunter2@127.0.0.1:1/0?heartbeat=3", "(heartbeat)"),
    setting("CELERY_BROKER_URL", "kafka://localhost"),
    setting("CELERY_BROKER_URL", "amqp://u:hunter2@127.0.0.1:1//?colour=red", "(colour)"),
    setting("BROADCAST_ACCOUNTS_FILE", "gone.toml", "gone.toml"),
    Case(
        name="accounts file is no TOML",
        words=SEND,
        says=("accounts.toml",),
        files={"accounts.toml": b'appsecret = "hunter2-password'},
        env={"BROADCAST_ACCOUNTS_FILE": "accounts.toml"},
    ),
    Case(
        name="several accounts",
        words=SEND,
        says=("shop, test", "--account"),
        files={
            "accounts.toml": b'[accounts.shop]\nappid = "wx0000000000000001"\nappsecret = '
            b'"hunter2-password"\n[accounts.test]\nappid = "wx0000000000000002"\nappsecret = '
            b'"hunter2-password"\n'
        },
        env={"BROADCAST_ACCOUNTS_FILE": "accounts.toml"},
    ),
    Case(
        name=".env that is no UTF-8",
        words=SEND,
        says=(".env",),
        files={".env": b"WECHAT_APPID=\xff\xfe\n"},
    ),
    Case(
        name="lines of .env that are none",
        words=SEND,
        says=(".env", "line 4", "NAME=value"),
        files={".env": b"# the account\nBROADCAST_LANG=en\n\nWECHAT_APPID: hunter2\n"},
        env={"WECHAT_APPID": None},
    ),
    Case(
        name="a quote of .env that is not closed",
        words=("pause", "x"),
        says=(".env", "line 1"),
        files={".env": b"WECHAT_APPSECRET='hunter2\nWECHAT_APPID=wx0000000000000001\n"},
    ),
    Case(
        name="a name of .env without its value",
        words=SEND,
        says=("WECHAT_APPID",),
        files={".env": b"WECHAT_APPID\n"},
        env={"WECHAT_APPID": None},
    ),
    Case(
        name="subscription account",
        words=SEND,
        says=("default", "WECHAT_ACCOUNT_KIND"),
        env={"WECHAT_ACCOUNT_KIND": "subscription"},
    ),
]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    """A command line with an empty ledger and a good list."""
    with CommandLine(tmp_path) as made:
        template.lay(made.database)
        (tmp_path / "list.txt").write_bytes(LIST)
        yield made


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_input_is_told_in_one_line_and_stores_nothing(line: CommandLine, case: Case) -> None:
    for name, data in case.files.items():
        (line.folder / name).write_bytes(data)

    result = line.run(*case.words, **case.env)  # type: ignore[arg-type]  # names of variables

    assert result.status == 2, result
    assert result.out == ""
    assert len(result.lines) == 1, result.err
    assert [word for word in case.says if word not in result.err] == [], result.err
    assert "hunter2" not in result.err
    assert line.rows() == {}


def test_every_line_is_told_in_chinese_too(line: CommandLine) -> None:
    result = line.run("send", "--text", "hello", BROADCAST_LANG="zh")

    assert result.status == 2
    assert result.err.startswith("错误：没有指定名单")


def test_a_file_that_may_not_be_read_is_named(line: CommandLine) -> None:
    (line.folder / "list.txt").chmod(0)
    line.before = obeying_permissions()

    result = line.run(*SEND)

    assert (result.status, len(result.lines)) == (2, 1)
    assert "list.txt: no permission to read" in result.err
    assert line.rows() == {}


def test_a_folder_in_the_place_of_dotenv_is_told(line: CommandLine) -> None:
    (line.folder / ".env").mkdir()

    result = line.run(*SEND, WECHAT_APPID=None, WECHAT_APPSECRET=None)

    assert (result.status, len(result.lines)) == (2, 1)
    assert ".env cannot be read: Is a directory" in result.err
    assert line.rows() == {}


def obeying_permissions() -> list[str]:
    """The words before a command that make root obey the permissions of files, too."""
    if os.getuid() != 0:
        return []
    words = [shutil.which("setpriv") or "", "--bounding-set", "-dac_override,-dac_read_search"]
    if not words[0] or subprocess.run([*words, "true"], check=False).returncode != 0:
        not_proved("a list that may not be read is named", "root, without a setpriv that works")
    return words


def test_a_bad_list_from_standard_input_is_refused(line: CommandLine) -> None:
    result = line.run("send", "--openids", "-", "--text", "hello", stdin=b"alice\n")

    assert (result.status, len(result.lines)) == (2, 1)
    assert "standard input" in result.err
    assert line.rows() == {}


def test_a_closed_standard_input_is_told(line: CommandLine) -> None:
    line.before = ["sh", "-c", 'exec "$@" <&-', "sh"]

    result = line.run("send", "--openids", "-", "--text", "hello")

    assert (result.status, len(result.lines)) == (2, 1), result
    assert "Standard input is closed" in result.err
    assert line.rows() == {}


def test_with_json_an_error_is_an_object_as_well(line: CommandLine) -> None:
    result = line.run("send", "--text", "hello", "--json")

    assert result.status == 2
    assert len(result.out.splitlines()) == 1
    assert result.json["id"] is None
    assert result.json["error"] in result.err


def test_a_list_whose_writer_was_killed_is_refused(line: CommandLine) -> None:
    result = line.run("send", "--openids", "-", "--text", "hello", stdin=LIST + b"oTEST0000")

    assert (result.status, len(result.lines)) == (2, 1), result
    assert [word for word in ("cut", "Line 3", "oTEST0000") if word not in result.err] == []
    assert line.rows() == {}
