"""What a subagent can do to the world: one module per tool, and the belt that offers them to a model."""
