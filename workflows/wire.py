"""The base of everything that crosses a Temporal boundary."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Wire(BaseModel):
    """Base of boundary types. Unknown fields are ignored, absent ones have defaults: older readers go on reading."""

    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="null")


def only_an_interface(name: str) -> RuntimeError:
    """What the body of an Activity's interface raises."""
    return RuntimeError(f"{name} is an interface; the Worker registers its implementation")
