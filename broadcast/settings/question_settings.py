"""The settings of a send that a person is asked about, a part of the program's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from broadcast.rules.gates.cooling_off import COOLING_OFF, CoolingOff, parse_cooling_off
from broadcast.rules.hand_calls import RECEIVER


def _env(name: str) -> AliasChoices:
    return AliasChoices(name, name.lower())


class QuestionSettings(BaseSettings):
    """What is offered before a yes on a terminal, and what follows from it."""

    #: Who gets a preview first, where the person who is asked wants one: a WeChat id or an OpenID.
    preview_to: str | None = Field(
        None, pattern=RECEIVER, validation_alias=_env("BROADCAST_PREVIEW_TO")
    )
    #: How long the first call is kept back, above so many people.
    cooling_off: Annotated[CoolingOff, NoDecode, BeforeValidator(parse_cooling_off)] = Field(
        COOLING_OFF, validation_alias=_env("BROADCAST_COOLING_OFF")
    )
