"""From generated code to canonical code."""
