"""A Temporal Client that speaks Tenuto, from the settings."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from temporalio.client import Client, Plugin
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.service import RPCError

from tenuto.activities.store import Store

from .plugin import TenutoPlugin
from .telemetry import tracing_plugin

if TYPE_CHECKING:
    from .config import Settings


class Unreachable(Exception):
    """No Temporal Service answers at the configured address."""


async def connect(settings: Settings, store: Store | None = None) -> Client:
    """Connect to `settings.address`.

    Raises:
        Unreachable: nothing answers there, or it refuses the connection; the message says what to look at.
    """
    plugins: list[Plugin] = [TenutoPlugin(store or Store(settings.store))]
    if (tracing := tracing_plugin()) is not None:
        plugins.append(tracing)
    if settings.address is None:
        raise Unreachable("the embedded Temporal Service is not running: `tenuto up` starts it")
    # TLS, API key and metadata as Temporal's own configuration has them; address and namespace are already decided.
    # The embedded service has neither: a key meant for another service must not turn TLS on here.
    config = ClientConnectConfig() if settings.embedded else ClientConfigProfile.load().to_client_connect_config()
    config["target_host"] = settings.address
    config["namespace"] = settings.namespace
    try:
        return await Client.connect(**config, plugins=plugins)
    except (RuntimeError, RPCError, OSError) as error:
        raise Unreachable(
            f"no Temporal Service answers at {settings.address} (namespace {settings.namespace}): "
            f"{_reason(error)}. Check TEMPORAL_ADDRESS, or unset it to use the embedded service"
        ) from error


def _reason(error: BaseException) -> str:
    """The part of a transport error that is meant for people."""
    text = str(error).splitlines()[0]
    quoted = re.findall(r'message: "([^"]+)"', text)
    return quoted[-1] if quoted else text
