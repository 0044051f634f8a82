"""`kernelsnap upgrade`: what other versions change, which package made each change, and commits by cause."""
