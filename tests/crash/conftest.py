"""The service is that of the end-to-end tests."""

from ..e2e.conftest import served, service

__all__ = ["served", "service"]
