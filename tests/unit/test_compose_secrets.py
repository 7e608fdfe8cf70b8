"""`make compose-secrets`: what is missing is made, what is there stays."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from pydantic import SecretStr

from broadcast.rules import api_keys
from broadcast.rules.api_keys import Scope
from broadcast.settings.program_settings import Settings
from broadcast.settings.server_urls import BROKER_SCHEMES, checked_database, checked_servers
from tests.servers.binaries import find
from tests.servers.proofs import not_proved
from tools import compose_secrets
from tools.packages import ROOT


@pytest.fixture(autouse=True)
def _nobody_says_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SIMULATOR", "BROKER", "DATABASE", "WECHAT_APPID", "WECHAT_APPSECRET"):
        monkeypatch.delenv(name, raising=False)


def made(folder: Path) -> dict[str, str]:
    return {file.name: file.read_text("utf-8") for file in (folder / "secrets").iterdir()}


def test_every_secret_of_the_compose_file_is_made_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    first = made(tmp_path)
    compose_secrets.main(tmp_path)

    files = ("docker-compose.yml", "docker-compose.mysql.yml")
    text = "".join((ROOT / name).read_text("utf-8") for name in files)
    named = text.split("first}/")[1:]
    assert {line.partition('"')[0] for line in named} == set(first)
    assert made(tmp_path) == first
    checked_database(SecretStr(first["database_url"]))
    checked_servers(SecretStr(first["broker_url"]), BROKER_SCHEMES)
    assert (tmp_path / ".env").read_text("utf-8").count("COMPOSE_SECRETS=./secrets") == 1
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600


def test_prometheus_has_a_key_that_may_read_alone_also_beside_keys_of_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "api_keys").write_text("key-of-before-0123456789", "ascii")
    compose_secrets.main(tmp_path)

    found = made(tmp_path)
    first, scraper = api_keys.parse(found["api_keys"], where="the file")
    assert first == api_keys.parse("key-of-before-0123456789", where="here")[0]
    assert (scraper.name, set(scraper.scopes)) == ("prometheus", {Scope.READ})
    assert scraper.accounts is None
    assert api_keys.find([scraper], found["metrics_key"]) == scraper


def test_what_signs_webhooks_and_where_notices_go_can_be_read_as_it_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    for name in ("webhook_secrets", "notify"):
        monkeypatch.setenv(f"BROADCAST_{name.upper()}_FILE", str(tmp_path / "secrets" / name))
    settings = Settings.load()

    assert len(settings.signing_secrets()) == 1
    assert not settings.receivers()
    with (tmp_path / "secrets" / "notify").open("a", encoding="ascii") as file:
        file.write("https://hooks.slack.com/services/x\n")
    assert [name.partition(":")[0] for name in settings.receivers()] == ["slack"]


def services() -> dict[str, str]:
    """Return the text of each service of docker-compose.yml; ``x-app`` is what several share."""
    text = (ROOT / "docker-compose.yml").read_text("utf-8").partition("\nsecrets:\n")[0]
    _, *parts = re.split(r"^(?:  )?([\w-]+):(?: &app)?\n", text, flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_each_container_has_the_secrets_that_its_settings_name() -> None:
    each = services()
    has = {
        name: found[1].split(", ")
        for name, text in each.items()
        if (found := re.search(r"^ +secrets: \[(.*)\]$", text, re.MULTILINE))
    }
    assert {"x-app", "worker", "api", "flower", "postgres"} <= has.keys()
    for name, text in each.items():
        shared = each["x-app"] if "<<: *environment" in text else ""
        read = set(re.findall(r"/run/secrets/(\w+)", text + shared))
        assert read <= set(has.get(name, has["x-app"])), name

    of = {"webhook_secrets": {"worker", "api"}, "notify": {"worker"}}
    for secret, readers in of.items():
        setting = f"BROADCAST_{secret.upper()}_FILE: /run/secrets/{secret}\n"
        assert {name for name, text in each.items() if setting in text} == readers
        assert {name for name, names in has.items() if secret in names} == readers


@pytest.mark.prove
def test_the_compose_file_with_monitoring_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker = shutil.which("docker")
    if (
        docker is None
        or subprocess.run(
            [docker, "compose", "version"], capture_output=True, check=False
        ).returncode
    ):
        not_proved("docker-compose.yml can be read", "docker compose is not there")
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)

    done = subprocess.run(
        [docker, "compose", "--profile", "observability", "config", "--format", "json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    services = json.loads(done.stdout)["services"]
    assert {"prometheus", "grafana", "api", "worker"} <= set(services)
    for name in ("prometheus", "grafana"):
        files = [one["source"] for one in services[name]["volumes"] if one["type"] == "bind"]
        assert files
        for file in files:
            assert (ROOT / Path(file).relative_to(tmp_path)).is_file()
        assert services[name]["cap_drop"] == ["ALL"]
    keys = {one["source"] for one in services["prometheus"]["secrets"]}
    assert keys == {"metrics_key"}


@pytest.mark.prove
def test_prometheus_can_read_its_file(tmp_path: Path) -> None:
    promtool = find("promtool")
    if promtool is None:
        not_proved("prometheus.yml", "promtool is not there")
    text = (ROOT / "monitoring" / "prometheus.yml").read_text("utf-8")
    (tmp_path / "key").write_text("key")
    text = text.replace("/etc/prometheus/alerts.yml", str(ROOT / "monitoring" / "alerts.yml"))
    (tmp_path / "p.yml").write_text(text.replace("/run/secrets/metrics_key", str(tmp_path / "key")))

    done = subprocess.run(
        [promtool, "check", "config", tmp_path / "p.yml"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr


def test_only_the_owner_of_the_folder_comes_to_the_secrets_and_containers_can_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    before = os.umask(0o077)
    try:
        compose_secrets.main(tmp_path)
    finally:
        os.umask(before)

    folder = tmp_path / "secrets"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}


def test_an_account_is_that_of_the_environment_with_whatever_is_in_its_secret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECHAT_APPID", "wx0123456789abcdef")
    monkeypatch.setenv("WECHAT_APPSECRET", 'a"b\\c')
    compose_secrets.main(tmp_path)

    [account] = tomllib.loads(made(tmp_path)["accounts.toml"])["accounts"].values()
    assert account == {"appid": "wx0123456789abcdef", "appsecret": 'a"b\\c'}
    assert "wx0123" not in (tmp_path / ".env").read_text("utf-8")


def test_another_broker_is_named_later_and_valkey_keeps_the_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    monkeypatch.setenv("BROKER", "rabbitmq")
    with pytest.raises(SystemExit, match="does not name rabbitmq"):
        compose_secrets.main(tmp_path)
    env = tmp_path / ".env"
    env.write_text(env.read_text("utf-8").replace("=simulator\n", "=simulator,rabbitmq\n"), "utf-8")
    monkeypatch.delenv("BROKER")
    compose_secrets.main(tmp_path)

    password = made(tmp_path)["rabbitmq_password"]
    assert made(tmp_path)["broker_url"] == f"amqp://broadcast:{password}@rabbitmq//"
    assert made(tmp_path)["redis_url"].endswith("@valkey:6379/0")


def test_a_broker_that_is_chosen_first_has_its_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    monkeypatch.setenv("BROKER", "rabbitmq")
    compose_secrets.main(tmp_path)

    assert "COMPOSE_PROFILES=simulator,rabbitmq\n" in (tmp_path / ".env").read_text("utf-8")


def test_a_trial_without_its_profile_is_told_which_line_lacks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text("COMPOSE_PROFILES=api\n", "ascii")
    monkeypatch.setenv("SIMULATOR", "1")

    with pytest.raises(SystemExit, match="COMPOSE_PROFILES"):
        compose_secrets.main(tmp_path)


@pytest.mark.parametrize(
    "line",
    [
        "COMPOSE_PROFILES=api,simulator",
        'COMPOSE_PROFILES="api,simulator"',
        "COMPOSE_PROFILES=api, simulator",
        "COMPOSE_PROFILES=api,simulator # x",
        "export COMPOSE_PROFILES='simulator' # x",
        " COMPOSE_PROFILES = simulator ",
        "COMPOSE_PROFILES=api\nCOMPOSE_PROFILES=simulator",
    ],
)
def test_a_line_of_profiles_is_read_as_compose_reads_it(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f"{line}\n", "ascii")
    monkeypatch.setenv("SIMULATOR", "1")

    compose_secrets.main(tmp_path)

    lines = (tmp_path / ".env").read_text("ascii").splitlines()
    assert [one for one in lines if "PROFILES" in one] == line.splitlines()


@pytest.mark.parametrize(
    "value", ["api", "api # simulator", '"simulator', "simulators", "simulator#x", ""]
)
def test_a_line_that_does_not_name_the_profile_is_told(
    value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"COMPOSE_PROFILES=simulator\nCOMPOSE_PROFILES={value}\n"
    (tmp_path / ".env").write_text(line, "ascii")
    monkeypatch.setenv("SIMULATOR", "1")

    with pytest.raises(SystemExit, match="does not name simulator"):
        compose_secrets.main(tmp_path)


@pytest.mark.parametrize(
    ("env", "says"),
    [
        ({}, "SIMULATOR=1"),
        ({"BROADCAST_LANG": "zh"}, "缺少公众号"),
        ({"SIMULATOR": "1", "BROKER": "kafka"}, "rabbitmq"),
    ],
)
def test_what_it_cannot_make_is_told_in_one_line(
    env: dict[str, str], says: str, tmp_path: Path
) -> None:
    place = f"Path({str(tmp_path)!r})"
    code = f"from pathlib import Path; from tools import compose_secrets as c; c.main({place})"

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], "PYTHONUTF8": "1", **env},
    )

    assert done.returncode == 1
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.rglob("*.toml"))


def test_nothing_of_what_it_makes_is_kept_in_git() -> None:
    words = ("git", "ls-files", "--", compose_secrets.FOLDER, ".env")

    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)

    assert done.stdout == ""


def test_mysql_is_named_with_its_compose_file_and_postgres_without(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    files = "COMPOSE_FILE=docker-compose.yml:docker-compose.mysql.yml\n"
    for database, count in (("mysql", 1), ("", 1), ("postgres", 0)):
        monkeypatch.setenv("DATABASE", database)
        compose_secrets.main(tmp_path)

        assert (tmp_path / ".env").read_text("utf-8").count(files) == count
        password = made(tmp_path)["mysql_password" if count else "postgres_password"]
        assert f":{password}@" in made(tmp_path)["database_url"]


@pytest.mark.parametrize("database", ["postgres", "mysql"])
def test_a_password_of_ones_own_is_whole_in_every_url(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    password = "p@ss/w#rd?x%41"
    monkeypatch.setenv("SIMULATOR", "1")
    monkeypatch.setenv("DATABASE", database)
    monkeypatch.setenv("BROKER", "rabbitmq")
    (tmp_path / "secrets").mkdir()
    for server in compose_secrets.SERVERS:
        (tmp_path / "secrets" / f"{server}_password").write_text(password, "ascii")
    compose_secrets.main(tmp_path)

    found = made(tmp_path)
    checked_database(SecretStr(found["database_url"]))
    checked_servers(SecretStr(found["broker_url"]), BROKER_SCHEMES)
    for name in compose_secrets.URLS:
        parts = urlsplit(found[name])
        assert unquote(parts.password or "") == password
        assert parts.hostname in compose_secrets.SERVERS


def test_a_new_password_of_valkey_is_in_its_urls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    first = made(tmp_path)
    (tmp_path / "secrets" / "valkey_password").unlink()
    compose_secrets.main(tmp_path)

    found = made(tmp_path)
    assert found["valkey_password"] != first["valkey_password"]
    url = f"redis://:{found['valkey_password']}@valkey:6379/0"
    assert (found["redis_url"], found["broker_url"]) == (url, url)
    own = "redis://:other@cache.example.com:6379/0"
    (tmp_path / "secrets" / "redis_url").write_text(own, "ascii")
    compose_secrets.main(tmp_path)
    assert made(tmp_path)["redis_url"] == own


@pytest.mark.parametrize(
    ("server", "url"), [("postgres", "database_url"), ("rabbitmq", "broker_api")]
)
def test_a_password_that_its_server_keeps_is_not_made_anew(
    server: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    (tmp_path / "secrets" / f"{server}_password").unlink()
    first = made(tmp_path)

    with pytest.raises(SystemExit, match=f"secrets/{server}_password .* secrets/{url}"):
        compose_secrets.main(tmp_path)

    assert made(tmp_path) == first


def test_a_new_key_of_prometheus_takes_the_place_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    compose_secrets.main(tmp_path)
    first = made(tmp_path)
    (tmp_path / "secrets" / "metrics_key").unlink()
    compose_secrets.main(tmp_path)

    found = made(tmp_path)
    assert found["metrics_key"] != first["metrics_key"]
    assert found["api_keys"] == first["api_keys"].replace(
        first["metrics_key"], found["metrics_key"]
    )


def test_modes_that_are_wrong_are_mended_and_what_a_link_names_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    (tmp_path / ".env").write_text("HTTPS_PROXY=http://user:word@proxy:1\n", "ascii")
    (tmp_path / ".env").chmod(0o644)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "elsewhere").write_text("word", "ascii")
    (tmp_path / "secrets" / "grafana_password").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "secrets" / "accounts.toml").write_text("[accounts.a]\n", "ascii")
    for file in ("elsewhere", "secrets/accounts.toml"):
        (tmp_path / file).chmod(0o600)
    compose_secrets.main(tmp_path)

    modes = {
        file: stat.S_IMODE((tmp_path / file).stat().st_mode)
        for file in (".env", "elsewhere", "secrets/accounts.toml")
    }
    assert modes == {".env": 0o600, "elsewhere": 0o600, "secrets/accounts.toml": 0o644}


@pytest.mark.parametrize("file", [".env", "secrets/notify", "secrets/redis_url"])
@pytest.mark.parametrize("is_folder", [False, True])
def test_nothing_is_made_where_a_file_cannot_be_read(
    file: str, is_folder: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SIMULATOR", "1")
    (tmp_path / "secrets").mkdir()
    if is_folder:
        (tmp_path / file).mkdir()
    else:
        (tmp_path / file).write_bytes("# 代理\n".encode("gb18030"))
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(SystemExit, match=file) as caught:
        compose_secrets.main(tmp_path)

    assert len(str(caught.value).splitlines()) == 1
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("line", "after"),
    [
        ("COMPOSE_PROFILES=rabbitmq\n", ""),
        ("COMPOSE_PROFILES=simulator,rabbitmq\n", "COMPOSE_PROFILES=simulator\n"),
        ("COMPOSE_PROFILES=api, rabbitmq, backup\n", "COMPOSE_PROFILES=api,backup\n"),
    ],
)
def test_valkey_after_rabbitmq_leaves_no_profile_of_it(
    line: str, after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WECHAT_APPID", "wx0123456789abcdef")
    monkeypatch.setenv("WECHAT_APPSECRET", "secret")
    (tmp_path / ".env").write_text(line, "ascii")
    for broker in ("rabbitmq", "valkey"):
        monkeypatch.setenv("BROKER", broker)
        compose_secrets.main(tmp_path)

    assert (tmp_path / ".env").read_text("ascii") == f"{after}COMPOSE_SECRETS=./secrets\n"
    assert made(tmp_path)["broker_url"].startswith("redis:")
