"""Goldens: the canonical form of a capture, its file format, and where the files stand."""
