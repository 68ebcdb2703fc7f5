"""Programs that tasks run, and the environments that they run in."""
