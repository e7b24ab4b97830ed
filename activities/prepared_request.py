"""Sends a request by the package's general `post`, its body already written as JSON.

`messages.create` copies a request part by part before it writes it out, and looks at each tool in several ways. For an
agent with tools that takes longer than sending it (MEASURED), and the requests made here have nothing to convert. What
is sent is the same; a test holds this module and the package to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from anthropic import AsyncAnthropic, AsyncStream
from anthropic.types import Message
from pydantic_core import PydanticSerializationError, to_json

from .clients import Client, spans_are_wanted

PATH = "/v1/messages"
"""Of both: betas are named in a header."""


async def send(client: Client, request: Mapping[str, Any]) -> AsyncStream[Any]:
    """Send a request and return its stream, once the response's head is there.

    Args:
        request: as `messages.create` takes it; with `betas`, as `beta.messages.create` does. Plain JSON.

    Raises: as `messages.create`.
    """
    body = _written(request)
    # Clients of other platforms rewrite the body, and only `create` makes spans.
    if body is None or type(client) is not AsyncAnthropic or spans_are_wanted():
        messages: Any = client.beta.messages if "betas" in request else client.messages
        stream: AsyncStream[Any] = await messages.create(**request, stream=True)
        return stream
    betas = request.get("betas")
    headers = {"anthropic-beta": ",".join(betas)} if betas else {}
    return await client.post(
        PATH, content=body, options={"headers": headers}, cast_to=Message, stream=True, stream_cls=AsyncStream[Any]
    )


def _written(request: Mapping[str, Any]) -> bytes | None:
    """The body as JSON; `None` for what is no text in UTF-8, about which the package has an error of its own."""
    try:
        return to_json({**{key: value for key, value in request.items() if key != "betas"}, "stream": True})
    except PydanticSerializationError:
        return None
