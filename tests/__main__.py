"""Runs the suite and leaves without the interpreter's own teardown, which crashes now and then with temporalio."""

import os
import sys

import pytest

if __name__ == "__main__":
    code = pytest.main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(int(code))
