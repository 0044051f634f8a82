"""Runs one step of a bisection in a process of its own, and keeps what it found."""
