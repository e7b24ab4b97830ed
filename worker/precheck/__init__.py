"""What a script names and its run's policy refuses, found before anything starts."""
