"""The programs that the labelled pairs of goldens are made from: one module a subject, each with its PROGRAMS."""
