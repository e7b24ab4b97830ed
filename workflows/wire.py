"""The base of everything that crosses a Temporal boundary."""

from __future__ import annotations

from datetime import timedelta

from pydantic import BaseModel, ConfigDict

HEARTBEAT = timedelta(seconds=30)
"""An Activity that shows no life for so long is tried again: its Worker is gone, or never heard that it has it."""


class Wire(BaseModel):
    """Base of boundary types. Unknown fields are ignored, absent ones have defaults: older readers go on reading."""

    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="null")


def only_an_interface(name: str) -> RuntimeError:
    """What the body of an Activity's interface raises."""
    return RuntimeError(f"{name} is an interface; the Worker registers its implementation")
