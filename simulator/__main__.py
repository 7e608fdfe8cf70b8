"""`python -m simulator`: serve, or print the OpenIDs of generated followers."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from simulator.admin.accounts import AccountChange, change_account
from simulator.admin.scenario import read
from simulator.app import application
from simulator.core.accounts import Registration, invented_registration, parse_registration
from simulator.core.bounds import MOST_FOLLOWERS
from simulator.core.server import Server, inherited_socket, listening_socket
from simulator.core.switches import Switches
from simulator.core.world import Simulation, Start, World
from simulator.endpoints import every_endpoint
from simulator.openid import openid_lines

ACCOUNTS_VARIABLE = "SIMULATOR_ACCOUNTS"
#: JSON, by appid: where pushes go and how, as the admin API takes it.
CALLBACKS_VARIABLE = "SIMULATOR_CALLBACKS"
BAD_USAGE = 2
UNREACHABLE = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; return the exit status."""
    options = _parser().parse_args(arguments)
    return int(options.run(options))


def _serve(options: argparse.Namespace) -> int:
    try:
        start = _start(options)
        Switches(**start.switches)
        simulation = Simulation(start, every_endpoint())
        listener = _listener(options)
    except ValueError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return BAD_USAGE
    except OSError as error:
        where = f"{options.host}:{options.port}" if options.fd is None else f"fd {options.fd}"
        sys.stderr.write(f"simulator: cannot listen on {where}: {error.strerror}\n")
        return UNREACHABLE
    Server(application(simulation)).run(sockets=[listener])
    simulation.close()
    return 0


def _listener(options: argparse.Namespace) -> socket.socket:
    if options.fd is not None:
        return inherited_socket(options.fd)
    return listening_socket(options.host, options.port)


def _start(options: argparse.Namespace) -> Start:
    return Start(
        registrations=tuple(options.account) or _other_registrations(),
        followers=options.followers,
        followers_seed=options.followers_seed,
        followers_appid=options.followers_appid,
        seed=options.seed,
        first_msg_id=options.first_msg_id,
        daily_limit=options.daily_limit,
        calls_per_minute=options.calls_per_minute,
        switches={"latency_ms": options.latency_ms, **dict(options.switch)},
        prepare=_prepared(options.scenario),
    )


def _prepared(file: Path | None) -> Callable[[World], None]:
    """Return the function that prepares a new world as the scenario and the environment say."""
    scenario = read(file) if file else None
    callbacks = orjson.loads(os.environ.get(CALLBACKS_VARIABLE) or "{}")
    orders = {appid: AccountChange(callback=order) for appid, order in callbacks.items()}

    def prepare(world: World) -> None:
        for appid, order in orders.items():
            change_account(world, appid, order)
        if scenario is not None:
            scenario.prepare(world)

    return prepare


def _other_registrations() -> tuple[Registration, ...]:
    """Read the accounts from the environment, or make one up and say what it is."""
    named = os.environ.get(ACCOUNTS_VARIABLE, "").split()
    if named:
        return tuple(parse_registration(text) for text in named)
    invented = invented_registration()
    sys.stdout.write(f"simulator account appid={invented.appid} secret={invented.secret}\n")
    sys.stdout.flush()
    return (invented,)


def _print_followers(options: argparse.Namespace) -> int:
    try:
        for lines in openid_lines(options.appid, count=options.count, seed=options.seed):
            sys.stdout.buffer.write(lines)
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        # The reader has enough (`... | head`); Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m simulator", description="A stand-in for the WeChat server over HTTP."
    )
    parser.set_defaults(run=_serve)
    add = parser.add_argument
    add("--host", default="127.0.0.1")
    add("--port", type=int, default=0, help="0 takes a free one; the ready line names it")
    add("--fd", type=_count, help="listen on this inherited socket, not on host and port")
    add(
        "--account",
        action="append",
        default=[],
        type=_registration,
        metavar="NAME:APPID:SECRET[:KIND]",
        help=f"repeatable; KIND is service, subscription or test; else from {ACCOUNTS_VARIABLE}"
        " (white space between accounts); without any one is made up and printed;"
        f" {CALLBACKS_VARIABLE}: where their pushes go, JSON by appid",
    )
    add("--followers", type=_followers, default=0, help="generated followers of each account")
    add("--followers-seed", type=int, default=0, help="another seed gives other OpenIDs")
    add("--followers-appid", metavar="APPID", help="give the followers the OpenIDs of this appid")
    add("--latency-ms", type=float, default=0, help="how long WeChat works on a call")
    add("--seed", type=int, default=0, help="for faults with a probability, rid and hint")
    add(
        "--first-msg-id",
        type=_msg_id,
        metavar="N",
        help="count msg_ids from N on, also after a reset; without it they go on with the time",
    )
    add("--daily-limit", type=_count, default=100, help="mass calls of an account in a day")
    add("--calls-per-minute", type=_count, default=60, help="0 means no limit")
    add("--scenario", type=Path, metavar="FILE", help="what shall hold from the start on, as TOML")
    add("--switch", action="append", default=[], type=_switch, metavar="NAME=VALUE")
    _add_followers_command(parser)
    return parser


def _registration(text: str) -> Registration:
    try:
        return parse_registration(text)
    except ValueError as error:
        # argparse would print the text of any other exception, and it holds a secret.
        raise argparse.ArgumentTypeError(str(error)) from None


def _add_followers_command(parser: argparse.ArgumentParser) -> None:
    commands = parser.add_subparsers(title="commands")
    command = commands.add_parser(
        "followers", help="print OpenIDs of generated followers, one a line"
    )
    command.set_defaults(run=_print_followers)
    command.add_argument("--appid", required=True)
    command.add_argument("--count", type=_count, required=True)
    command.add_argument("--seed", type=int, default=0)


def _count(text: str, *, most: int = 2**31 - 1) -> int:
    number = int(text)
    if not 0 <= number <= most:
        message = f"a number from 0 to {most}"
        raise argparse.ArgumentTypeError(message)
    return number


def _msg_id(text: str) -> int:
    return _count(text, most=2**53)


def _followers(text: str) -> int:
    return _count(text, most=MOST_FOLLOWERS)


def _switch(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        message = "a switch is NAME=VALUE"
        raise ValueError(message)
    try:
        return name, orjson.loads(value)
    except orjson.JSONDecodeError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
