"""The embedded service of one `TENUTO_HOME`: Temporal dev server, Worker, and the supervisor that keeps both alive."""
