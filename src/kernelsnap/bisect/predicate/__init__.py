"""What decides whether a step counts as changed: conditions, the text that they are written in, and their answer."""
