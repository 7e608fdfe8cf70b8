"""Commands that `broadcast doctor` prints for `.env` and files of secrets, as a shell runs them."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

import pytest

from broadcast.rules.findings import Fault, Finding
from broadcast.settings import environment
from entrypoints.cli.probes import settings_probe

BOM = "\ufeff".encode()
COMMENT = "# 退订的词\n".encode("gb18030")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(written: bytes) -> list[Finding]:
    """What is found where this stands in `.env`."""
    Path(".env").write_bytes(written)
    Path(".env").chmod(0o600)
    found: list[Finding] = []
    settings_probe.read(found)
    return found


def typed(finding: Finding) -> None:
    """Type its command."""
    assert finding.command
    subprocess.run(["bash", "-c", finding.command], check=True)


def test_a_dotenv_of_gb18030_becomes_utf_8_and_the_old_one_is_kept(folder: Path) -> None:
    old = COMMENT + "WECHAT_UNSUBSCRIBE_WORDS='取消\\关注'\n".encode("gb18030")
    (finding,) = found(old)

    typed(finding)

    assert finding.is_repairable
    assert (folder / ".env").read_bytes() == old.decode("gb18030").encode()
    assert (folder / ".env.gb18030").read_bytes() == old
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert len(list(folder.iterdir())) == 2


@pytest.mark.parametrize(
    "written",
    [
        "WECHAT_UNSUBSCRIBE_WORDS=取消关注\n".encode() + COMMENT,
        "BROADCAST_LANG=en\n# 设置\n".encode("utf-16"),
        "BROADCAST_LANG=en\n# 设置\n".encode("utf-16-le"),
        "# é\nBROADCAST_LANG=en\n".encode("latin-1"),
    ],
)
def test_a_dotenv_that_is_not_all_of_gb18030_has_no_command(written: bytes) -> None:
    (finding,) = found(written)

    assert finding.fault is Fault.DOTENV
    assert finding.command is None


@pytest.mark.parametrize(
    "name", [BOM + b"BROADCAST_LATE_BT", b"'BROADCAST_LATE_BT'", b" export broadcast_late_bt "]
)
@pytest.mark.parametrize("locale", ["C", "C.UTF-8"])
def test_a_misspelt_name_is_found_by_the_command_as_it_is_by_the_settings(
    name: bytes, locale: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", locale)
    line = name + b"=20m\n"
    (finding,) = (one for one in found(line) if one.fault is Fault.MISSPELT)

    typed(finding)

    assert [one.fault for one in found(Path(".env").read_bytes())] == []
    assert environment.written() == {"BROADCAST_LATE_BY": "20m"}


def test_of_two_names_that_are_near_one_setting_none_has_a_command() -> None:
    misspelt = found(b"WECHAT_APP_ID=wx1\nWECHAT_APPIDS=wx2\n")

    assert [one.command for one in misspelt if one.fault is Fault.MISSPELT] == [None, None]


@pytest.mark.parametrize("line", [b"BROADCAST_LATE_BT=20m\n", b'WECHAT_APPID="foo\n'])
def test_a_dotenv_that_is_a_link_stays_one(folder: Path, line: bytes) -> None:
    (folder / "real").touch(0o600)
    (folder / ".env").symlink_to("real")
    (finding,) = (one for one in found(line) if one.fault in {Fault.MISSPELT, Fault.DOTENV})

    typed(finding)

    assert (folder / ".env").is_symlink()
    assert (folder / "real").read_bytes() != line


def test_a_file_of_another_user_is_not_taken_from_those_who_read_it_as_others(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret").touch()
    (folder / "secret").chmod(0o644)
    (ours,) = settings_probe._open_files([folder / "secret"])
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    (theirs,) = settings_probe._open_files([folder / "secret"])

    assert ours.is_repairable
    assert theirs.command is None
    assert theirs.fix
