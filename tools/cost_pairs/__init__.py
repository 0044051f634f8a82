"""Pairs of functions whose time on a real GPU the cost estimate is fitted and checked on, and how they are timed."""
