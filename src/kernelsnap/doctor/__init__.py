"""What this machine can do: `kernelsnap doctor`."""
