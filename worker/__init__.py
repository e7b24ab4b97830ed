"""How a run is started: configuration, Worker, embedded service, command line."""
