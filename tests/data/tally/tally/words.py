"""Counting words."""


def count(text):
    """How often each word occurs, whatever its case."""
    found = {}
    for word in text.split():
        found[word] = found.get(word, 0) + 1
    return found
