"""A simulated Messages API: real HTTP, real Server-Sent Events, and a model that is a hash of the request.

Tests and `--simulate` use it where a real model would cost money or time. It validates requests, counts tokens and
prompt-cache hits and shapes errors as the real API does, answers equal requests equally, and can be told over
`/_control` how to behave. It listens on loopback only.

To play an agent with tools, one rule is enough: a `script` has a reply for each turn, with parallel `tool_use` blocks,
`server_tool_use` (the API's own tools, with their results), `thinking` that must come back unchanged, a `compaction` on
demand, and, with `templates`, texts that quote `{last}`, the tool results just sent:

    {"rules": [{"match": {"prompt_contains": "fix"}, "script": [
        {"tool_use": [{"name": "Read", "input": {"file_path": "a.py"}}, {"name": "Glob", "input": {"pattern": "*"}}]},
        {"tool_use": [{"name": "Bash", "input": {"command": "python -m pytest -q"}}]},
        {"text": "Fixed. The suite says: {last}", "templates": true}]}]}

Conversations are checked as the API checks them: every call has its result in the next message, edits of
`context_management` need their beta, are applied to what is counted, and are reported. `rules.py` has every condition,
reply and fault; `python -m tenuto.worker.simulated_api --rules FILE` serves them to whoever wants to play.

Imports go one way: `server` serves `app`, `app` speaks HTTP for `simulation`, and `simulation` decides by means of the
other modules, which know neither HTTP nor each other's state.
"""

from .rules import Control, Rule
from .server import SimulatedApi
from .simulation import Simulation

__all__ = ["Control", "Rule", "SimulatedApi", "Simulation"]
