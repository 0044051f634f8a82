"""Compares the lines of two texts and cuts what differs into hunks."""
