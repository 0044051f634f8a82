"""Goldens that wait for a decision: what a failing comparison generated, kept outside the tree until it is accepted."""
