"""What a run may do: permission rules, read once, narrowed per agent, decided without a question. Pure."""
