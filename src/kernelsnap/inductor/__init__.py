"""From running a function to a Capture: run it, hook Inductor, read what it generated."""
