"""Runs the code of goldens on the GPU that is there, and measures how long it takes."""
