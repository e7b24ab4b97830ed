"""Tuples are lists, dataclasses are objects, dates are text, NaN and infinity are null."""

from dataclasses import dataclass, field
from datetime import date

from tenuto import Meta

meta = Meta(name="py_result_as_json", description="A conformance case")


@dataclass
class Finding:
    path: str
    tags: list[str] = field(default_factory=list)


async def main():
    return [(1, 2), Finding("a", ["x"]), date(2020, 1, 2), float("nan"), float("inf")]
