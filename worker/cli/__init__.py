"""The `tenuto` command line."""
