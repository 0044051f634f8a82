"""Keeps the text that a Triton template gives to many goldens once."""
