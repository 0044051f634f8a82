"""Aligns the names and lines of a new golden to those of an old one."""
