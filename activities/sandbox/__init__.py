"""Commands inside walls: what a process may see, how much it may use, and that it ends with the Activity."""
