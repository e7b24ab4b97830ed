"""Two interpreters behind one step protocol."""
