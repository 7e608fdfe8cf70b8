"""`python -m simulator`: serve, or print the OpenIDs of generated followers."""

from __future__ import annotations

import argparse
import os
import socket
import sys
from typing import Any

import orjson

from simulator.app import application
from simulator.core.accounts import Registration, invented_registration, parse_registration
from simulator.core.server import Server, inherited_socket, listening_socket
from simulator.core.switches import Switches
from simulator.core.world import Simulation, Start
from simulator.endpoints import every_endpoint
from simulator.openid import openid_lines

ACCOUNTS_VARIABLE = "SIMULATOR_ACCOUNTS"
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
        listener = _listener(options)
    except ValueError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return BAD_USAGE
    except OSError as error:
        where = f"{options.host}:{options.port}" if options.fd is None else f"fd {options.fd}"
        sys.stderr.write(f"simulator: cannot listen on {where}: {error.strerror}\n")
        return UNREACHABLE
    simulation = Simulation(start, every_endpoint())
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
        seed=options.seed,
        first_msg_id=options.first_msg_id,
        daily_limit=options.daily_limit,
        calls_per_minute=options.calls_per_minute,
        switches={"latency_ms": options.latency_ms, **dict(options.switch)},
    )


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
        " (white space between accounts); without any one is made up and printed",
    )
    add("--followers", type=_count, default=0, help="generated followers of each account")
    add("--followers-seed", type=int, default=0, help="another seed gives other OpenIDs")
    add("--latency-ms", type=float, default=0, help="how long WeChat works on a call")
    add("--seed", type=int, default=0, help="for faults with a probability, rid and hint")
    add(
        "--first-msg-id",
        type=_count,
        metavar="N",
        help="count msg_ids from N on, also after a reset; without it they go on with the time",
    )
    add("--daily-limit", type=_count, default=100, help="mass calls of an account in a day")
    add("--calls-per-minute", type=_count, default=60, help="0 means no limit")
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


def _count(text: str) -> int:
    number = int(text)
    if number < 0:
        message = "a count is not negative"
        raise ValueError(message)
    return number


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
