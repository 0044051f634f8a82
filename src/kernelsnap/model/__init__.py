"""The dataclasses that flow from a capture to a report. Imports no torch."""
