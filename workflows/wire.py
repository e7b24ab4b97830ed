"""The base of everything that crosses a Temporal boundary."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, model_serializer

HEARTBEAT = timedelta(seconds=30)
"""An Activity that shows no life for so long is tried again: its Worker is gone, or never heard that it has it."""


class Wire(BaseModel):
    """Base of boundary types. Unknown fields are ignored, absent ones have defaults: older readers go on reading."""

    model_config = ConfigDict(extra="ignore", ser_json_inf_nan="null")


class Grown(Wire):
    """A shape that was promised to the outside and has grown: what was added is left out where it says nothing."""

    added: ClassVar[frozenset[str]]

    def __init_subclass__(cls, added: tuple[str, ...] = (), **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.added = frozenset(added)

    @model_serializer(mode="wrap")
    def _without_what_says_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        values: dict[str, Any] = write(self)
        return {name: value for name, value in values.items() if name not in self.added or _says_something(value)}


def _says_something(value: Any) -> bool:
    return any(map(_says_something, value.values())) if isinstance(value, dict) else bool(value)


def only_an_interface(name: str) -> RuntimeError:
    """What the body of an Activity's interface raises."""
    return RuntimeError(f"{name} is an interface; the Worker registers its implementation")
