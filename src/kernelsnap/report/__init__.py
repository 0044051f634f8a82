"""A Diff rendered."""
