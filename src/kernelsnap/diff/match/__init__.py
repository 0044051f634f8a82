"""Pairs the kernels of two goldens."""
