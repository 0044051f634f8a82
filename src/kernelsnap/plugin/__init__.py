"""The pytest plugin, with its syrupy extension."""
