"""One table of cases for both dialects: without a server here, and again end to end."""
