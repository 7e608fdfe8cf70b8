"""What WeChat pushes, through the callback server and a worker, to the ledger."""

from __future__ import annotations

from sqlalchemy import select

from broadcast.rules import finish_events
from broadcast.rules.suppressions import SuppressionKind
from models.every_table import PushRow
from models.ledger.followers import followers
from models.ledger.lists import suppressions
from tests.acceptance.conftest import StartSystem
from tests.kit.pushes import AES_KEY, TOKEN, Sender, event, text
from tests.kit.system import System
from tests.kit.wait import until

PLAIN = f'callback_token = "{TOKEN}"\n'
SAFE = f'{PLAIN}encoding_aes_key = "{AES_KEY}"\nunsubscribe_words = ["退订", "TD"]\n'
#: Seconds of a day on which WeChat's clock and ours agree.
THEN = 1_764_200_000


def unhandled(system: System) -> list[PushRow]:
    with system.engine.connect() as connection:
        query = select(PushRow.__table__).where(PushRow.handled_at.is_(None))
        return list(connection.execute(query).all())  # type: ignore[arg-type]


def test_the_end_of_each_job_closes_its_batch_with_wechats_counts(
    start_system: StartSystem,
) -> None:
    """Each event comes twice."""
    system = start_system(followers=9, account_lines=PLAIN, BROADCAST_BATCH_SIZE="3")
    wechat = system.simulator
    wechat.set_callback(f"{system.callback()}/wechat/default/callback", TOKEN)
    wechat.set_switches(job_delay_s=0)
    wechat.fault("push_twice", path=finish_events.EVENT, count=3)
    system.worker()

    sent = system.send(wechat.openids(9), "--wait", "--until", "finished")

    assert sent["state"] == "completed"
    assert sent["batches"]["finished"] == 3
    assert sent["delivered"] == {"jobs": 3, "total": 9, "eligible": 9, "sent": 9, "errors": 0}
    assert {push["state"] for push in wechat.pushes()} == {"handled"}
    until(lambda: not unhandled(system), 20, "every push handled")


def test_followers_who_come_go_and_ask_out_are_known(start_system: StartSystem) -> None:
    """Late and out of order, with no wake for any of them: the sweep finds what is stored."""
    system = start_system(followers=2, account_lines=SAFE)
    account = system.simulator.account
    url = f"{system.callback()}/wechat/{account.name}/callback"
    wechat = Sender(url=url, appid=account.appid, aes_key=AES_KEY)
    stays, leaves = system.simulator.openids(2)

    assert wechat.push(event("subscribe", openid=stays, at=THEN + 9)).text == "success"
    wechat.push(event("unsubscribe", openid=stays, at=THEN + 5))
    wechat.push(event("subscribe", openid=leaves, at=THEN))
    wechat.push(event("unsubscribe", openid=leaves, at=THEN + 5))
    out = wechat.heard(wechat.push(text("退订", number=1, openid=stays, at=THEN + 3)))
    wechat.push(text("订阅", number=2, openid=leaves, at=THEN + 3))
    wechat.push(text("TD", number=3, openid=leaves, at=THEN + 2))
    system.worker()
    until(lambda: not unhandled(system), 30, "every push handled")

    assert "订阅" in out
    known = [followers.of_openid(system.engine, account.name, one) for one in (stays, leaves)]
    assert [one and one.follows for one in known] == [True, False]
    assert [why.kind for why in suppressions.of_openid(system.engine, account.name, stays)] == [
        SuppressionKind.KEYWORD
    ]
    assert suppressions.of_openid(system.engine, account.name, leaves) == []
