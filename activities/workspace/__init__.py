"""Where agents work: confined access to files, clones of their own, and how their commits come together."""
