"""Fast tests: pure decisions, interpreters without Temporal, Activities against simulated services."""
