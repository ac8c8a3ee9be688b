"""A saved model in the open format ONNX, for programs that know nothing of this one."""

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fcnet.data.form import form_text
from fcnet.errors import UserError
from fcnet.losses import Kind
from fcnet.model import Model

OPSET = 17  # of ONNX 1.12, from 2022: what reads models today reads it
_IR_VERSION = 8


def as_onnx(model: Model) -> bytes:
    """Return a model as an ONNX file: raw rows go in, classes and their probabilities come out.

    Input ``rows``, float32 of shape (n, n_features), are raw values as `Model.predict` takes them. Output
    ``labels``, int64 of shape (n,), counts the classes from 0; output ``probabilities`` is float32 of shape
    (n, n_classes). The file's metadata, as JSON, are the names of the classes, ``class_names``, and how rows
    come from files, ``form``, where these are no plain arrays.

    Raises
    ------
    UserError
        If the package onnx is missing.
    """
    try:
        import onnx
        from onnx import helper, numpy_helper
    except ImportError as error:
        raise UserError('a file .onnx needs a package more: pip install "fcnet-sweep[onnx]"') from error
    graph = _Graph(helper.make_node, numpy_helper.from_array)
    logits = graph.logits(model)
    pooled = graph.pooled(logits, len(model.networks), model.kind)
    two = len(model.class_names) == 2
    labels, probabilities = graph.two(pooled) if two else graph.several(pooled, model.kind)
    n_features, kind = len(model.normalisation.mean), onnx.TensorProto
    graph.add("Identity", [labels], "labels")
    graph.add("Cast", [probabilities], "probabilities", to=kind.FLOAT)
    file = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "fcnet",
            [helper.make_tensor_value_info("rows", kind.FLOAT, ["n", n_features])],
            [
                helper.make_tensor_value_info("labels", kind.INT64, ["n"]),
                helper.make_tensor_value_info("probabilities", kind.FLOAT, ["n", len(model.class_names)]),
            ],
            graph.constants,
        ),
        producer_name="fcnet-sweep",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    about = {"class_names": json.dumps(model.class_names), "data_fingerprint": model.data_fingerprint}
    helper.set_model_props(file, about | ({} if model.form is None else {"form": form_text(model.form)}))
    onnx.checker.check_model(file, full_check=True)
    content: bytes = file.SerializeToString(deterministic=True)
    return content


class _Graph:
    """Nodes and constants as they are added; what a method returns is the name of a value."""

    def __init__(self, make_node: Any, make_constant: Any) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._make_node, self._make_constant = make_node, make_constant

    def add(self, kind: str, inputs: list[str], name: str = "", **attributes: Any) -> str:
        name = name or f"{kind}{len(self.nodes)}"
        self.nodes.append(self._make_node(kind, inputs, [name], **attributes))
        return name

    def constant(self, values: NDArray[Any]) -> str:
        self.constants.append(self._make_constant(values, f"constant{len(self.constants)}"))
        return f"constant{len(self.constants) - 1}"

    def logits(self, model: Model) -> str:
        """Add normalisation and layers; the logits are double, (n_networks, n, n_outputs)."""
        x = self.add("Sub", ["rows", self.constant(model.normalisation.mean)])
        x = self.add("Div", [x, self.constant(model.normalisation.scale)])
        parameters = [network.parameters for network in model.networks]
        dtype, n_layers = model.networks[0].dtype, model.hyperparameters.n_layers
        if dtype == np.float64:
            x = self._double(x)
        for i in range(n_layers):
            # Networks are stacked: one product of many matrices serves all of them.
            weights = np.stack([each[f"linear{i}.weights"] for each in parameters])
            biases = np.stack([each[f"linear{i}.biases"] for each in parameters])[:, np.newaxis]
            x = self.add("MatMul", [x, self.constant(weights)])
            x = self.add("Add", [x, self.constant(biases)])
            if i < n_layers - 1:
                x = self.add("Relu", [x])
        return self._double(x)

    def pooled(self, logits: str, n_networks: int, kind: Kind) -> str:
        """Add `fcnet.losses.pool`: the logits of the mean probability, (n, n_outputs)."""
        if n_networks == 1:
            return self.add("Squeeze", [logits, self.constant(np.array([0]))])
        if kind == "softmax":
            total = self.add("ReduceLogSumExp", [self.add("LogSoftmax", [logits])], axes=[0], keepdims=0)
            return self.add("Sub", [total, self.constant(np.log(np.array(float(n_networks))))])
        sums = []
        for z in (logits, self.add("Neg", [logits])):
            # log(sigmoid(z)) = min(z, 0) - log(1 + exp(-|z|))
            smaller = self.add("Exp", [self.add("Neg", [self.add("Abs", [z])])])
            rest = self.add("Log", [self.add("Add", [smaller, self.constant(np.array(1.0))])])
            log_p = self.add("Sub", [self.add("Min", [z, self.constant(np.array(0.0))]), rest])
            sums.append(self.add("ReduceLogSumExp", [log_p], axes=[0], keepdims=0))
        return self.add("Sub", sums)

    def several(self, logits: str, kind: Kind) -> tuple[str, str]:
        """Add `fcnet.losses.decide` and `probabilities` for more than two classes."""
        p = self.add("Softmax" if kind == "softmax" else "Sigmoid", [logits])
        return self.add("ArgMax", [logits], axis=1, keepdims=0), p

    def two(self, logits: str) -> tuple[str, str]:
        """Add them for two classes, which share a logit."""
        p = self.add("Sigmoid", [logits])
        above = self.add("Greater", [logits, self.constant(np.array(0.0))])
        label = self.add("Cast", [above], to=7)  # int64
        labels = self.add("Squeeze", [label, self.constant(np.array([1]))])
        return labels, self.add("Concat", [self.add("Sub", [self.constant(np.array(1.0)), p]), p], axis=1)

    def _double(self, x: str) -> str:
        return self.add("Cast", [x], to=11)
