"""Steps without a model: what a script does to the world by itself, each one Activity."""
