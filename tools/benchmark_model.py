"""What a whole model costs: forward and backward of a transformer of 8 billion parameters, captured in this process.

    python tools/benchmark_model.py [--layers 32] [--tokens 2048]

Prints kernels, seconds of the clock and of the processor, and the peak of resident memory, which are to stay below 3
minutes on two idle cores and 1.5 GiB.
"""

from __future__ import annotations

import argparse
import resource
import time

import torch
from transformers import LlamaConfig, LlamaForCausalLM

from kernelsnap import capture, virtual_device


def model(layers: int) -> torch.nn.Module:
    """A Llama 3 of 8 billion parameters (with 32 layers), in bfloat16 on the active device."""
    config = LlamaConfig(
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        vocab_size=128256,
        use_cache=False,
    )
    return LlamaForCausalLM(config).to(torch.bfloat16)


def main() -> None:
    """Capture the model and print what that took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--target", default="h100")
    arguments = parser.parse_args()
    begin = time.perf_counter()
    with virtual_device(arguments.target), torch.device("cuda"):
        llama = model(arguments.layers)
        parameters = sum(parameter.numel() for parameter in llama.parameters())
        tokens = torch.zeros(1, arguments.tokens, dtype=torch.int64)
        captured = capture(lambda: llama(tokens, labels=tokens).loss, backward=True)
    clock = time.perf_counter() - begin
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(f"parameters  {parameters / 1e9:.2f} billion")
    print(f"graphs      {', '.join(graph.phase for graph in captured.graphs)}")
    print(f"kernels     {sum(len(graph.kernels) for graph in captured.graphs)}, launched {captured.kernels} times")
    print(f"clock       {clock:.0f} s, after imports")
    print(f"processor   {used.ru_utime + used.ru_stime:.0f} s, imports included")
    print(f"peak memory {used.ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
