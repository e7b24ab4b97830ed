"""Counts words, sums columns."""

from .columns import total
from .words import count

__all__ = ["count", "total"]
