"""What generated code costs: an estimate of GPU time from the text of a golden, with no torch and no GPU."""
