"""The GPUs that goldens are recorded for, and where their numbers come from."""
