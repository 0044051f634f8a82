"""What the labelled pairs of goldens are made from: one module for each set, with its PROGRAMS and PAIRS."""
