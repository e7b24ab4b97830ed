"""What a run is: pure decisions, two interpreters, and the durable Workflows."""
