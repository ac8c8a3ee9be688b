"""The network of every PyTorch competitor, and its training as PyTorch's own tutorials write it.

Resident tensors and a gather per batch instead of a data loader, fused SGD, one thread per process: what
makes small networks fast on a CPU. `torch.compile` takes longer than a training.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

AXES = 1024


def rows(folder: Path, *parts: str) -> list[torch.Tensor]:
    """Return rows and labels of each part."""
    found = []
    for part in parts:
        found += [torch.from_numpy(np.load(folder / f"{kind}_{part}.npy")) for kind in "xy"]
    return found


def train(
    x: torch.Tensor, y: torch.Tensor, h: dict[str, Any], *, epochs: int, seed: int, mirrored: Any = None
) -> Iterator[nn.Module]:
    """Train, and yield the network after each epoch.

    With ``mirrored``, rows of the mirror images, each epoch takes one of the two at random and the rate falls
    by half a cosine.
    """
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    sizes = [x.shape[1]] + [h["hidden_units"]] * (h["n_layers"] - 1)
    layers: list[nn.Module] = []
    for fan_in, fan_out in zip(sizes, [*sizes[1:], 1], strict=True):
        linear = nn.Linear(fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU(inplace=True)]
    network = nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=h["learning_rate"],
        momentum=h["momentum"],
        weight_decay=h["weight_decay"],
        fused=True,
    )
    criterion, targets = nn.BCEWithLogitsLoss(), y[:, None].float()
    both = x if mirrored is None else torch.cat([x, mirrored])
    steps, step = epochs * math.ceil(len(x) / h["batch_size"]), 0
    for _ in range(epochs):
        order = torch.randperm(len(x))
        seen = order if mirrored is None else order + len(x) * torch.randint(2, (len(x),))
        for batch, images in zip(order.split(h["batch_size"]), seen.split(h["batch_size"]), strict=True):
            if mirrored is not None:
                for group in optimizer.param_groups:
                    group["lr"] = 0.5 * h["learning_rate"] * (1 + math.cos(math.pi * step / steps))
            optimizer.zero_grad(set_to_none=True)
            criterion(network(both.index_select(0, images)), targets.index_select(0, batch)).backward()
            optimizer.step()
            step += 1
        yield network


@torch.inference_mode()
def accuracy(network: nn.Module, x: torch.Tensor, y: torch.Tensor) -> float:
    """Return the share of rows that are classified correctly."""
    return float(((network(x)[:, 0] > 0) == y).float().mean())


def mirror(x: torch.Tensor) -> torch.Tensor:
    """Return the mirror images of rows of 3 planes of 32 x 32."""
    return x.view(-1, 3, 32, 32).flip(3).reshape(len(x), -1)
