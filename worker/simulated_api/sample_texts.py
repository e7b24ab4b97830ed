"""Texts for a simulated answer: short, plausible for the name of their field, and marked as simulated."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable

MARK = "[simulated]"
"""Stands in front of every text that a person may take for a model's."""
TOPIC_CHARACTERS_MAX = 72

FORMATS: dict[str, Callable[[random.Random], str]] = {
    "date-time": lambda rng: f"2026-0{rng.randint(1, 9)}-{rng.randint(10, 28)}T12:{rng.randint(10, 59)}:00Z",
    "date": lambda rng: f"2026-0{rng.randint(1, 9)}-{rng.randint(10, 28)}",
    "time": lambda rng: f"12:{rng.randint(10, 59)}:00Z",
    "duration": lambda rng: f"PT{rng.randint(1, 59)}M",
    "email": lambda rng: f"simulated{rng.randint(1, 99)}@example.com",
    "hostname": lambda rng: f"host{rng.randint(1, 99)}.example.com",
    "uri": lambda rng: f"https://example.com/simulated/{rng.randint(1, 999)}",
    "uri-reference": lambda rng: f"/simulated/{rng.randint(1, 999)}",
    "ipv4": lambda rng: f"192.0.2.{rng.randint(1, 254)}",
    "ipv6": lambda rng: f"2001:db8::{rng.randint(1, 9999)}",
    "uuid": lambda rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
}
"""A text for each `format` of a schema; addresses are of the ranges reserved for documentation."""

_PATH = re.compile(r"(?<![\w/.])(?:[\w.-]+/)*[\w-]+\.[a-z]{1,4}\b")
_FINDINGS = (
    "nothing in {topic} needs a change",
    "one point in {topic} deserves a second look",
    "{topic}: done as asked, no surprises",
    "{topic}: two small things noted, neither urgent",
)


def topic_of(prompt: str) -> str:
    """What a prompt is about: its first line that says something, cut to a phrase."""
    line = next((line.strip(" #*->:.") for line in prompt.splitlines() if line.strip(" #*->:.")), "an empty prompt")
    if len(line) <= TOPIC_CHARACTERS_MAX:
        return line
    return line[:TOPIC_CHARACTERS_MAX].rsplit(" ", 1)[0].rstrip(" ,;:") + "…"


def answer_text(prompt: str, rng: random.Random) -> str:
    """A final answer to a prompt."""
    return f"{MARK} " + rng.choice(_FINDINGS).format(topic=f"“{topic_of(prompt)}”")


def sample_text(name: str, topic: str, rng: random.Random) -> str:
    """A text for a field called `name` of an answer about `topic`."""
    if re.search(r"path|file(name)?$", name, re.I):
        found = _PATH.search(topic)
        return found[0] if found else f"src/module_{rng.randint(1, 9)}.py"
    if re.search(r"(^|_)(id|key|slug)$", name, re.I):
        return f"simulated-{rng.randint(100, 999)}"
    words = re.sub(r"(?<=[a-z])(?=[A-Z])|_", " ", name).lower()
    return f"{MARK} {words} for {topic}"
