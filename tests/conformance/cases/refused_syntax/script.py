"""A line that Python does not have there."""

return 1  # noqa: F706  # pyright: ignore
