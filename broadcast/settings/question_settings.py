"""The settings of a send that a person is asked about, a part of the program's settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import BaseSettings, NoDecode

from broadcast.rules.gates.cooling_off import COOLING_OFF, CoolingOff, parse_cooling_off
from broadcast.rules.hand_calls import RECEIVER


class QuestionSettings(BaseSettings):
    """What is offered before a yes on a terminal, and what follows from it."""

    #: Who gets a preview first, where the person who is asked wants one: a WeChat id or an OpenID.
    preview_to: Annotated[str | None, Field(pattern=RECEIVER)] = None
    #: How long the first call is kept back, above so many people.
    cooling_off: Annotated[CoolingOff, NoDecode, BeforeValidator(parse_cooling_off)] = COOLING_OFF
