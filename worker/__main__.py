"""The `tenuto` command."""


def main() -> None:
    """Run the command line."""
