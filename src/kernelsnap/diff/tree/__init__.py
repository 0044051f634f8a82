"""Compares two trees of goldens: changes, groups, renames, the summary."""
