"""Script stubs."""
