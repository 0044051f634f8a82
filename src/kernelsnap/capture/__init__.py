"""Compiles a function on the virtual device and reads what TorchInductor generated."""
