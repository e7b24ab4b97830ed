"""A simulated Messages API: real HTTP, real Server-Sent Events, and a model that is a hash of the request.

Tests and `--simulate` use it where a real model would cost money or time. It validates requests, counts tokens and
prompt-cache hits and shapes errors as the real API does, answers equal requests equally, and can be told over
`/_control` how to behave. It listens on loopback only.

Imports go one way: `server` serves `app`, `app` speaks HTTP for `simulation`, and `simulation` decides by means of the
other modules, which know neither HTTP nor each other's state.
"""

from .rules import Control, Rule
from .server import SimulatedApi
from .simulation import Simulation

__all__ = ["Control", "Rule", "SimulatedApi", "Simulation"]
