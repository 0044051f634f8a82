"""Two goldens compared: kernels matched, text hunks, metric deltas."""
