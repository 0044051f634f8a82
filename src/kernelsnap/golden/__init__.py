"""Goldens: the canonical form of a capture, its file format, and the files."""
