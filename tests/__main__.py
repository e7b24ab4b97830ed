"""Runs the suite and leaves without the interpreter's own teardown, which crashes now and then with temporalio."""

import os
import signal
import sys

import pytest

if __name__ == "__main__":
    # A shell starts what it has in the background deaf to Ctrl-C, and the commands under test would inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    code = pytest.main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
