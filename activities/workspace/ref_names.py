"""How the references of a run are called in the user's repository. Pure.

refs/heads/tenuto/<run>/<agent>          the result of one agent, for people; stays where the user moved it
refs/heads/tenuto/<run>/merged           the run's branch, likewise
refs/tenuto/<run>/<agent>/result         the same commit, ours alone
refs/tenuto/<run>/<agent>/extra          one commit whose parents are all else that the agent committed
refs/tenuto/<run>/merged                 what the merge queue builds on, ours alone
refs/tenuto/<run>/base                   the commit the run began at
refs/tenuto/<run>/seen/<commit>          what else clones of the run can see, so that a `gc` leaves it
"""

from __future__ import annotations

import hashlib
import re

_OF_THE_RUN = frozenset({"base", "merged", "seen"})


def part(name: str) -> str:
    """A run or agent id as one part of a reference's name, and as a folder's; the same for the same id."""
    plain = re.sub(r"[^A-Za-z0-9_.-]", "-", name)
    plain = re.sub(r"\.\.+", ".", plain).strip(".-") or "x"
    plain = plain.removesuffix(".lock")[:120]
    if plain == name and name not in _OF_THE_RUN:
        return name
    return f"{plain}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def branch(run_id: str, agent: str) -> str:
    """Short name of an agent's branch."""
    return f"tenuto/{part(run_id)}/{part(agent)}"


def merged_branch(run_id: str) -> str:
    """Short name of the run's branch."""
    return f"tenuto/{part(run_id)}/merged"


def of_run(run_id: str, what: str) -> str:
    """One of our own references of a run: `base`, `merged`, `seen/…`."""
    return f"refs/tenuto/{part(run_id)}/{what}"


def of_agent(run_id: str, agent: str, what: str) -> str:
    """One of our own references of an agent: `result`, `extra`."""
    return f"refs/tenuto/{part(run_id)}/{part(agent)}/{what}"


def head(branch_name: str) -> str:
    """The full name of a branch."""
    return f"refs/heads/{branch_name}"
