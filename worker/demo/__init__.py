"""What `tenuto demo` runs: a script, a small legacy package with planted defects, and simulated answers about it."""
