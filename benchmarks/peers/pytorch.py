"""PyTorch's fast eager idiom: fused SGD, data resident as one tensor, a gather per batch, no data loader.

`torch.compile` is left out: for each new shape it calls a C++ compiler, which alone takes about as long as
the whole trial, and where there is no such compiler it does not run.

The weight decay of `torch.optim.SGD` passes through the velocity, where a steady pull grows by
``1 / (1 - momentum)``; it is scaled back by that, which costs nothing. It also reaches the biases: a
parameter group of their own would cost PyTorch time and change nothing that is compared here.
"""

from collections.abc import Iterator

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from benchmarks.problem import arrays, he_normal, layer_sizes
from fcnet.data import Split
from fcnet.hyperparameters import Hyperparameters


def train(split: Split, hyperparameters: Hyperparameters, *, epochs: int, seed: int) -> Iterator[float]:
    """Train with PyTorch."""
    torch.set_num_threads(1)
    generator = torch.Generator().manual_seed(seed)
    x, labels, x_validation, y_validation = map(torch.from_numpy, arrays(split))
    y = labels[:, None].float()

    sizes = layer_sizes(split, hyperparameters)
    layers: list[torch.nn.Module] = []
    for weights in he_normal(sizes, seed=seed):
        linear = torch.nn.utils.skip_init(torch.nn.Linear, *weights.shape)
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(weights.T))
            linear.bias.zero_()
        layers += [linear, torch.nn.ReLU(inplace=True)]
    network = torch.nn.Sequential(*layers[:-1])
    optimizer = torch.optim.SGD(
        network.parameters(),
        lr=hyperparameters.learning_rate,
        momentum=hyperparameters.momentum,
        weight_decay=2 * hyperparameters.weight_decay * (1 - hyperparameters.momentum),
        fused=True,
    )

    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=generator).split(hyperparameters.batch_size):
            loss = binary_cross_entropy_with_logits(network(x.index_select(0, rows)), y.index_select(0, rows))
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.inference_mode():
            yield ((network(x_validation)[:, 0] > 0) == y_validation).float().mean().item()
