"""Reads the two sides of a comparison: files, git revisions, the working tree, patches."""
