"""An overloaded API, through the installed command: waited out, and given up clearly when the time for that is over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tenuto.worker.simulated_api import SimulatedApi

from ..cli.command import Tenuto
from .served import Served, ended, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

HOURS = 0.004
"""Fourteen seconds."""


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("impatient")
    with SimulatedApi.in_thread() as api:
        key = {"ANTHROPIC_BASE_URL": api.url, "ANTHROPIC_API_KEY": "sk-test", "TENUTO_OVERLOAD_HOURS": str(HOURS)}
        tenuto = Tenuto(folder / "home", folder, key)
        try:
            tenuto.json("up")
            served = Served(tenuto, api)
            served.write_scripts()
            yield served
            served.end_followers()
        finally:
            tenuto("down")


def test_overload_that_passes_fails_no_agent(impatient: Served) -> None:
    impatient.api.control(reset=True, rules=[{"times": 30, "fault": {"status": 529}}])
    report = ended(impatient.start("many.js", "wf_passes", n=20))
    assert (report["status"], report["census"]["done"], report["failures"]) == ("completed", 20, [])


def test_overload_without_an_end_fails_the_agent_with_what_to_set(impatient: Served) -> None:
    impatient.api.control(reset=True, rules=[{"fault": {"status": 529, "message": "Overloaded"}}])
    follower = impatient.start("many.js", "wf_endless", n=2)

    def says_why() -> bool:
        shown = impatient.tenuto("show", "wf_endless")
        return "overloaded_error: Overloaded" in shown.stdout

    until(says_why, 40)
    report = ended(follower, code=3, timeout_s=90)
    assert report["result"] == {"said": [None, None]}
    assert {failure["kind"] for failure in report["failures"]} == {"overloaded_error"}
    message = report["failures"][0]["message"]
    assert message.startswith(f"given up: the API has not answered for {HOURS:g} h (TENUTO_OVERLOAD_HOURS")
    assert "Overloaded" in message
    asked = impatient.asked("wf_endless")
    assert max(each["received"] for each in asked) - min(each["received"] for each in asked) >= HOURS * 3600 * 0.5
