"""Compares what two programs compute, by the operations that the compiler made kernels of. Imports no torch."""
