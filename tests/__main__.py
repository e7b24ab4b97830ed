"""Runs the suite and leaves without the interpreter's own teardown, which crashes now and then with temporalio.

Hours of real processes on a machine that others load find one test in thousands that a pause of ten seconds fails. So a
few that fail are run once more, in a process of their own when all else has ended; what passes then is named and does
not fail the suite. It is a defect of the test all the same: mend it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

FEW = 4
"""More failures than that are never run again: something is broken."""


ALONE = "--alone"


class Failed:
    """Remembers which tests failed, in their setup or teardown too."""

    def __init__(self) -> None:
        self.tests: dict[str, None] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.tests[report.nodeid] = None


def main(words: list[str]) -> int:
    """Run what `words` say to pytest, and a few failures once more. The exit code is pytest's."""
    failed, alone = Failed(), words[:1] == [ALONE]
    code = int(pytest.main(words[alone:], plugins=[failed]))
    if alone or code != pytest.ExitCode.TESTS_FAILED or not 0 < len(failed.tests) <= FEW:
        return code
    print(f"\n{len(failed.tests)} failed; once more, alone:", flush=True)
    again = subprocess.run([sys.executable, "-m", "tests", ALONE, *failed.tests], check=False).returncode
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
