"""Golden-file snapshot tests for the GPU code that torch.compile generates, on a machine without a GPU."""
