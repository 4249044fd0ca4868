"""Times one masked-LM training step on random ids: which precision, attention and compilation pays on this machine.

    python scripts/pretraining_speed.py --precision bf16 --attention eager --keep-memory --compile

Prints one row: tokens per second, the median of the timed steps.
"""

from __future__ import annotations

import argparse
import statistics
import time
from contextlib import nullcontext

import torch
import torch.nn.functional as F
from transformers import ModernBertConfig, ModernBertForMaskedLM

from rasid.train.pretrain import keep_freed_memory

MASKED = 0.25  # share of positions with a label


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--attention", choices=("sdpa", "eager"), default="sdpa")
    parser.add_argument("--keep-memory", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--vocabulary", type=int, default=24_000)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--length", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--steps", type=int, default=10)
    return parser.parse_args()


def new_model(args: argparse.Namespace) -> ModernBertForMaskedLM:
    config = ModernBertConfig(
        vocab_size=args.vocabulary,
        hidden_size=args.hidden,
        num_hidden_layers=args.layers,
        num_attention_heads=max(1, args.hidden // 64),
        intermediate_size=2 * args.hidden,
        layer_types=["full_attention"] * args.layers,
        attn_implementation=args.attention,
        pad_token_id=0,
        cls_token_id=2,
        sep_token_id=3,
        bos_token_id=2,
        eos_token_id=3,
    )
    return ModernBertForMaskedLM(config).train()


def main() -> None:
    args = parse()
    if args.keep_memory:
        keep_freed_memory()
    torch.manual_seed(0)
    model = new_model(args)
    encode = torch.compile(model.model) if args.compile else model.model
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    ids = torch.randint(5, args.vocabulary, (args.batch, args.length))
    chosen = torch.rand(ids.numel()) < MASKED
    labels = ids.view(-1)[chosen]

    def step() -> float:
        begun = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16) if args.precision == "bf16" else nullcontext():
            hidden = encode(input_ids=ids)[0].view(-1, args.hidden)[chosen]
            loss = F.cross_entropy(model.decoder(model.head(hidden)), labels)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return time.perf_counter() - begun

    for _ in range(3):
        step()
    rate = ids.numel() / statistics.median(step() for _ in range(args.steps))
    shape = f"{args.layers} x {args.hidden}, vocabulary {args.vocabulary}"
    switches = f"{args.precision} {args.attention} memory {'kept' if args.keep_memory else 'returned'}"
    print(f"{shape}, {switches}, compiled {args.compile}: {rate:.0f} tokens/s")


if __name__ == "__main__":
    main()
