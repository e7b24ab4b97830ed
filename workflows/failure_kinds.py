"""Kinds of failure of an `agent()` call: a machine-readable word each, and whether the script sees `null` or an error.

Besides the words here, a permanent error of the Messages API is a kind by the API's own `type`
(`invalid_request_error`, `permission_error`, …).
"""

from __future__ import annotations

SKIPPED = "skipped"
"""Skipped or stopped by a person, or still running when the script returned."""
STOPPED = "stopped"
"""How an Activity ends that was told to stop: with what it cost, which a cancelled one cannot say. Never shown."""
REFUSAL = "refusal"
"""The model declined to answer (`stop_reason: refusal`)."""
MAX_TOKENS = "max_tokens"
"""The answer was unfinished after the last continuation."""
CONTEXT_WINDOW = "context_window"
"""The conversation outgrew the model (`stop_reason: model_context_window_exceeded`)."""
TURNS = "turns"
"""The conversation went on for more turns than any work takes."""
TIMEOUT = "timeout"
"""The call's own `timeout` passed."""
INTERNAL = "internal"
"""A defect of ours, or of this installation."""

NO_WORKSPACE = "no_workspace"
"""A step in a run that has no workspace or no policy."""
REFUSED = "refused"
"""The run's policy does not allow it."""
OUTSIDE_WORKSPACE = "outside_workspace"
"""A path leads out of the workspace."""
UNKNOWN_OUTCOME = "unknown_outcome"
"""A Worker was lost while a step ran that must not run twice."""
UNKNOWN_AGENT_TYPE = "unknown_agent_type"
BAD_OPTION = "bad_option"
"""An option of `agent()` has a value of another type than it takes."""

TOO_LARGE = "too_large"
"""A call is given more than any request to the Messages API may hold."""

STALLED = "stalled"
SCHEMA = "schema"
UNUSABLE_SCHEMA = "unusable_schema"
UNUSABLE_CONTEXT = "unusable_context"
BAD_TOOLS = "bad_tools"
"""The `tools` of a call are no permission rules."""
WORKSPACE = "workspace"
"""The workspace is not there, or cannot be used."""
MERGE_CONFLICT = "merge_conflict"
"""An agent's commit is kept and did not come onto the run's branch."""
"""The call's `context` names what cannot be put before a model."""
BUDGET = "budget"
"""A ceiling of the run, of a phase or of the call is reached."""
SHARE = "share"
"""The conversation needs a larger share of the run's ceilings. Never an agent's end: the run grants one, or waits."""
TRIPPED = "tripped"
"""Not launched: so many agents before it failed in the same way that it would too."""
CEILING = "ceiling"
"""Kind of a hold: a ceiling of money or tokens that a person may raise."""

CREDENTIAL = "credential"
"""No credential, or none that the API accepts: waits for a person or a new one. Never fails an agent."""
CREDIT = "credit"
"""Credit or a spend limit is exhausted: waits likewise."""
RATE_LIMIT = "rate_limit"
"""Too many requests for now: waits up to a minute."""
QUOTA = "quota"
"""A usage limit whose reset is more than a minute away: waits for the reset."""
CONNECTION = "connection"
"""The API was not reached, or the response broke off: asked again."""
STORE = "store"
"""The store did not take or give an object: tried again."""

HOLDS: frozenset[str] = frozenset({CREDENTIAL, CREDIT, QUOTA})
"""Kinds by which the last attempt of a pending `run_agent` tells that its run is held up, not failing."""

THROWN_KINDS: frozenset[str] = frozenset(
    {
        STALLED,
        SCHEMA,
        UNUSABLE_SCHEMA,
        UNUSABLE_CONTEXT,
        BAD_TOOLS,
        WORKSPACE,
        BUDGET,
        UNKNOWN_AGENT_TYPE,
        BAD_OPTION,
        "worktree",
        "agent_cap",
        "nesting",
        "unknown_workflow",
    }
)
"""Failures that throw in both dialects (SCRIPT_API §2). Every other kind is lost: JavaScript gets `null`."""
