"""What a run does to the world: models, credentials, prices and the store."""
