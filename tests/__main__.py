"""Runs the suite and leaves without the interpreter's own teardown, which crashes now and then with temporalio.

An hour of real processes on a machine that others load finds one test in thousands that a pause of ten seconds fails.
So a few that fail are run once more, in a process of their own when all else has ended; what passes then is named and
does not fail the suite. It is a defect of the test all the same: mend it. What a whole session has left behind, and a
session that was cut short, are never forgiven: alone, nobody would see them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

import pytest

FEW = 4
"""More failures than that are never run again: something is broken."""
ALONE = "TENUTO_TESTS_ALONE"
"""Environment variable of the second run: the ids of its tests, as JSON."""


class Failed:
    """Remembers which tests failed, and whether anything else did."""

    def __init__(self) -> None:
        self.tests: dict[str, None] = {}
        self.beyond = False
        """Something failed that running these tests again would not show."""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = None
            self.beyond |= report.when == "teardown"

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.beyond |= report.failed

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self.beyond |= bool(session.shouldstop or session.shouldfail)


class Only:
    """Leaves out all tests but some."""

    def __init__(self, tests: list[str]) -> None:
        self._tests = set(tests)

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [item for item in items if item.nodeid in self._tests]


def main(words: list[str]) -> int:
    """Run what `words` say to pytest, and a few failures once more. The exit code is pytest's."""
    if ALONE in os.environ:
        return int(pytest.main(words, plugins=[Only(json.loads(os.environ.pop(ALONE)))]))
    failed = Failed()
    code = int(pytest.main(words, plugins=[failed]))
    if code != pytest.ExitCode.TESTS_FAILED or failed.beyond or not 0 < len(failed.tests) <= FEW:
        return code
    print(f"\n{len(failed.tests)} failed; once more, alone:", flush=True)
    env = os.environ | {ALONE: json.dumps(list(failed.tests))}
    again = subprocess.run([sys.executable, "-m", "tests", *words], env=env, check=False).returncode
    if again == 0:
        print("\nThese failed beside the others and passed alone. Each is a defect of its test, to be mended:")
        print("\n".join(f"  {test}" for test in failed.tests))
    return again


if __name__ == "__main__":
    # A shell starts what it has in the background deaf to Ctrl-C, and the commands under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
