"""Reads the text that TorchInductor generated into graphs, kernels and calls."""
