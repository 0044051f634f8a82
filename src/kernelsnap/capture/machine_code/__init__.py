"""Compiles captured kernels with Triton's own compilers, without a GPU."""
