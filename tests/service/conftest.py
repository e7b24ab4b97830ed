"""The command and its helpers are those of the command-line tests."""

from ..cli.conftest import tenuto

__all__ = ["tenuto"]
