"""What can be bisected along: commits, wheels, settings, passes, prepared environments."""
