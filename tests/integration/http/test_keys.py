"""Keys of the API: who gets in, what for, and how a key is replaced while the API runs."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.integration.http.conftest import KEYS, Served
from tests.kit import api, commands, template
from tests.kit.wait import until


@pytest.mark.parametrize("key", [None, "", "wrong-key-01234", api.KEY[:-1], "ü" * 20, "k" * 5000])
def test_without_a_good_key_nobody_gets_in(served: Served, key: str | None) -> None:
    headers = {} if key is None else {"Authorization": f"Bearer {key}".encode()}
    told = served.program(None).ask("GET", "/v1/broadcasts", headers=headers)  # type: ignore[arg-type]

    assert told.status_code == 401
    assert told.headers["WWW-Authenticate"].startswith("Bearer")
    assert told.json()["fix"]


@pytest.mark.parametrize("scheme", ["Basic {}", "{}", "Token {}"])
def test_a_key_in_another_scheme_is_none(served: Served, scheme: str) -> None:
    headers = {"Authorization": scheme.format(api.KEY)}

    assert served.program(None).ask("GET", "/v1/accounts", headers=headers).status_code == 401


def test_each_key_may_do_what_its_scopes_say(served: Served) -> None:
    reader, submitter = served.program("reader-key-0123"), served.program("submitter-key-0123")
    controller, approver = (
        served.program("controller-key-0123"),
        served.program("approver-key-0123"),
    )
    mine = api.people(2, seed="scopes")

    made = submitter.submit(mine, key="scopes", account="main")
    where = f"/v1/broadcasts/{made.json()['id']}"

    assert made.status_code == 201
    assert reader.get(where).status_code == 200
    assert [one.get(where).status_code for one in (submitter, controller, approver)] == [403] * 3
    assert reader.submit(mine, key="other", account="main").status_code == 403
    assert reader.ask("POST", f"{where}/pause").status_code == 403
    assert submitter.ask("POST", f"{where}/cancel").status_code == 403
    assert controller.ask("POST", f"{where}/pause").status_code == 200
    assert controller.get("/v1/accounts").json()["type"].endswith("error.api.scope")


def test_to_everybody_needs_its_own_scope_and_the_accounts_name(served: Served) -> None:
    body = {"account": "main", "content": api.TEXT, "audience": {"to_all": True}}
    confirmed = {**body, "audience": {"to_all": True, "confirm_to_all": "main"}}
    key = {"Idempotency-Key": "to-all"}
    submitter, every = served.program("submitter-key-0123"), served.program()

    refused = submitter.ask("POST", "/v1/broadcasts", confirmed, headers=key)
    unconfirmed = every.ask("POST", "/v1/broadcasts", body, headers=key)
    made = every.ask("POST", "/v1/broadcasts", confirmed, headers=key)

    assert (refused.status_code, unconfirmed.status_code, made.status_code) == (403, 422, 201)
    assert unconfirmed.json()["field"] == "audience.confirm_to_all"


def test_a_key_of_one_account_knows_nothing_of_the_others(served: Served) -> None:
    limited = served.program("of-shop-key-0123")
    others = served.program().submit(api.people(2, seed="a"), key="of-main", account="main")
    mine = limited.submit(api.people(2, seed="b"), key="of-shop")
    where = f"/v1/broadcasts/{others.json()['id']}"

    assert mine.status_code == 201
    assert mine.json()["account"] == "shop"
    assert limited.submit(api.people(2), key="x", account="main").status_code == 404
    for path in (where, f"{where}/recipients?set=waiting", f"{where}/audit"):
        assert limited.get(path).status_code == 404, path
    for word in ("pause", "resume", "cancel", "retry"):
        assert limited.ask("POST", f"{where}/{word}").status_code == 404
    assert limited.ask("POST", "/v1/accounts/main/halt").status_code == 404
    assert {one["account"] for one in limited.get("/v1/broadcasts").json()["broadcasts"]} == {
        "shop"
    }
    assert [one["name"] for one in limited.get("/v1/accounts").json()["accounts"]] == ["shop"]
    assert limited.get("/v1/broadcasts", account="main").status_code == 404
    near = "z" + mine.json()["id"][1:]
    excluded = limited.submit(
        api.people(2, seed="c"), key="y", exclude=[f"broadcast:{others.json()['id']}"]
    )
    unknown = limited.submit(api.people(2, seed="c"), key="y", exclude=[f"broadcast:{near}"])
    # Whether it is there or not: the same words.
    assert excluded.status_code == unknown.status_code == 422
    assert excluded.json()["detail"] == unknown.json()["detail"]


#: Every request that names an account; {} is its name.
OF_AN_ACCOUNT = (
    ("GET", "/v1/broadcasts?account={}", "account"),
    ("POST", "/v1/broadcasts", "account"),
    ("POST", "/v1/plans", "account"),
    ("POST", "/v1/accounts/{}/halt", "name"),
    ("POST", "/v1/accounts/{}/unhalt", "name"),
)


@pytest.mark.parametrize(("method", "path", "field"), OF_AN_ACCOUNT)
def test_an_account_that_the_key_is_not_good_for_is_as_unknown_as_one_that_nobody_has(
    served: Served, method: str, path: str, field: str
) -> None:
    """So a slip in a name is no empty list."""
    every, of_shop = served.program(), served.program("of-shop-key-0123")
    for program, name in (
        (every, "nobody"),
        (of_shop, "nobody"),
        (of_shop, "main"),
        (every, "a b"),
    ):
        body = {"account": name, "content": api.TEXT, "audience": {"openids": api.people(2)}}
        told = program.ask(
            method,
            path.format(name),
            body if "{}" not in path else None,
            headers={"Idempotency-Key": f"unknown {name}"},
        )
        assert (told.status_code, told.json()["field"]) == (404, field), name
        assert told.json()["type"].endswith("error.api.no_account")


def test_what_was_done_is_in_the_history_with_the_keys_name_and_the_request(
    served: Served,
) -> None:
    done = served.program("of-shop-key-0123").submit(api.people(2, seed="h"), key="history")
    paused = served.program("controller-key-0123").ask(
        "POST",
        f"/v1/broadcasts/{done.json()['id']}/pause",
        {"why": "wrong\nlink"},
        headers={"X-Request-Id": "req-4711"},
    )

    [action] = paused.json()["operator_actions"]
    assert done.json()["created_by"] == "of-shop"
    assert (action["who"], action["why"]) == ("controller", "wrong link")
    assert paused.headers["X-Request-Id"] == "req-4711"
    with served.engine.connect() as connection:
        details = connection.exec_driver_sql("SELECT detail FROM bc_events").scalars().all()
    assert any('"request_id": "req-4711"' in detail for detail in details)


def test_keys_of_the_file_are_replaced_while_the_api_runs(served: Served) -> None:
    old, new = served.program("reader-key-0123"), served.program("newer-key-012345")
    file = served.folder / "keys"
    try:
        file.write_text(KEYS.replace("reader-key-0123", "newer-key-012345"))
        until(lambda: new.get("/v1/accounts").status_code == 200, 5, "the new key")
        assert old.get("/v1/accounts").status_code == 401
        # Half a file locks nobody out.
        file.write_text("reader:read\n")
        until(lambda: _is_warned(served) or not new.get("/v1/accounts").ok, 5, "the warning")
        assert new.get("/v1/accounts").status_code == 200
    finally:
        file.write_text(KEYS)
    until(lambda: old.get("/v1/accounts").status_code == 200, 5, "the old key")


def _is_warned(served: Served) -> bool:
    return "the keys of before" in served.process.output


def test_a_stored_key_is_shown_once_and_is_good_until_it_is_revoked(
    served: Served, tmp_path: Path
) -> None:
    def keys(*words: str, status: int = 0) -> subprocess.CompletedProcess[bytes]:
        done = commands.run(
            ["api-keys", *words],
            folder=tmp_path,
            environment={
                "DATABASE_URL": f"sqlite:///{served.folder / 'broadcast.db'}",
                "BROADCAST_ACCOUNTS_FILE": str(served.folder / "accounts.toml"),
                "BROADCAST_LANG": "en",
            },
        )
        assert done.returncode == status, done.stderr.decode()
        return done

    made = keys("new", "reports", "--scope", "read", "--account", "shop").stdout.decode()
    [secret] = [line for line in made.splitlines() if line.startswith("wbk_")]
    key_id = made.split()[1]
    caller = served.program(secret)
    until(lambda: caller.get("/v1/accounts").status_code == 200, 5, "the stored key")
    listed = keys("list", "--json").stdout.decode()

    assert '"name": "reports"' in listed
    assert secret not in listed
    with served.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM bc_api_keys").all()
    assert secret not in str(rows)
    assert caller.submit(api.people(2), key="r").status_code == 403
    keys("revoke", key_id)
    until(lambda: caller.get("/v1/accounts").status_code == 401, 5, "its end")
    assert b"was revoked already" in keys("revoke", key_id).stdout
    keys("revoke", "key-unknown", status=2)
    keys("new", "a:b", status=2)
    keys("new", "fine", "--scope", "everything", status=2)
    assert secret not in served.process.output


def test_the_api_refuses_to_start_without_any_key(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    env = {**api.settings(url), "BROADCAST_API_KEYS": None}
    done = commands.run(
        ["api", "--port", "0"],
        folder=tmp_path,
        environment={name: value for name, value in env.items() if value is not None},
    )

    assert done.returncode == 2
    assert "has no key" in done.stderr.decode()


def test_the_api_refuses_to_start_with_an_empty_file_of_secrets(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'broadcast.db'}"
    template.migrated(url).dispose()
    (tmp_path / "secrets").touch()
    env = api.settings(url) | {
        "BROADCAST_WEBHOOK_SECRETS": None,
        "BROADCAST_WEBHOOK_SECRETS_FILE": str(tmp_path / "secrets"),
    }
    done = commands.run(
        ["api", "--port", "0"],
        folder=tmp_path,
        environment={name: value for name, value in env.items() if value is not None},
    )

    assert done.returncode == 2
    assert "BROADCAST_WEBHOOK_SECRETS_FILE" in done.stderr.decode()
