"""Exports of a team's own with a planted fault: each file loads and answers, and each is red, for its own reason."""

from __future__ import annotations

import pytest

from exports.exporting import Trained, parity, verdict
from pytest_mlspec.check import Status
from pytest_mlspec.errors import MlspecError

DEPLOY = """
import warnings
import torch
from torch import nn

class Deploy:
    def __init__(self, how):
        self.how = how

    def export(self, model, directory):
        getattr(self, self.how)(model, directory)

    def sound(self, model, directory):
        _trace(model.eval(), directory)

    def training_mode(self, model, directory):
        _trace(model, directory)

    def training_mode_of_batch_norm(self, model, directory):
        model.eval().layers[1].train()
        _trace(model, directory)

    def training_mode_captured(self, model, directory):
        rows = torch.export.Dim("rows", min=1, max=4096)
        torch.export.save(torch.export.export(model, (_rows(),), dynamic_shapes=({0: rows},)), directory / "model.pt2")

    def one_batch_size(self, model, directory):
        torch.export.save(torch.export.export(model.eval(), (_rows(),)), directory / "model.pt2")

    def one_batch_size_in_onnx(self, model, directory):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(model.eval(), (_rows(),), directory / "model.onnx", external_data=False, verbose=False)

    def the_legacy_exporter(self, model, directory):
        class Flattened(nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model.eval()

            def forward(self, inputs):
                return self.model(inputs.reshape(int(inputs.shape[0]), 64))

        axes = {"inputs": {0: "rows"}, "outputs": {0: "rows"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Flattened(), (_rows(),), directory / "model.onnx", dynamo=False,
                input_names=["inputs"], output_names=["outputs"], dynamic_axes=axes,
            )

    def two_outputs(self, model, directory):
        class Both(nn.Module):
            def __init__(self):
                super().__init__()
                self.model = model.eval()

            def forward(self, inputs):
                return self.model(inputs), self.model(inputs).argmax(1)

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(Both(), (_rows(),), directory / "model.onnx", dynamo=False, output_names=["a", "b"])

    def before_the_training(self, model, directory):
        torch.manual_seed(1)
        _trace(type(model)().eval(), directory)

    def an_old_checkpoint(self, model, directory):
        with torch.no_grad():
            model.layers[4].bias += 0.05
        _trace(model.eval(), directory)

    def without_its_normaliser(self, model, directory):
        _trace(model.eval().layers, directory)

    def with_a_softmax(self, model, directory):
        _trace(nn.Sequential(model.eval(), nn.Softmax(dim=1)), directory)

    def classes_swapped(self, model, directory):
        last = model.eval().layers[4]
        order = [1, 0, *range(2, 10)]
        with torch.no_grad():
            last.weight[:], last.bias[:] = last.weight[order], last.bias[order]
        _trace(model, directory)

    def half_precision(self, model, directory):
        _trace(model.eval().half().float(), directory)

    def weights_of_one_layer_missing(self, model, directory):
        from safetensors.torch import save_file
        weights = {name: x for name, x in model.state_dict().items() if not name.startswith("layers.4")}
        save_file(weights, directory / "model.safetensors")

    def another_file(self, model, directory):
        (directory / "network.onnx").write_bytes(b"")

    def nothing_but_noise(self, model, directory):
        (directory / "model.onnx").write_bytes(b"no model")

def _rows():
    return torch.zeros(4, 64)

def _trace(model, directory):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.save(torch.jit.trace(model, (_rows(),), check_trace=False), str(directory / "model.ts"))
"""


def deployed(small: Trained, how: str) -> dict[str, object]:
    """The spec of `small` with an export of the team's own."""
    small.project.write("small_deploy", DEPLOY)
    return {**small.spec, "recipe": {"use": "small_deploy:Deploy", "with": {"how": how}}}


def test_a_sound_export_of_the_team_is_green(small: Trained) -> None:
    """What follows is red because of its fault alone."""
    assert verdict(parity(small, "torchscript", spec=deployed(small, "sound"))).status is Status.PASSED


@pytest.mark.parametrize(
    ("how", "to", "told"),
    [
        ("training_mode", "torchscript", "two calls with the same rows differ: it was exported in training mode"),
        ("training_mode_of_batch_norm", "torchscript", "a row's outputs depend on the rows beside it"),
        ("training_mode_captured", "torch_export", "exported in training mode"),
        ("one_batch_size", "torch_export", "torch_export: 1 row: "),
        pytest.param("one_batch_size_in_onnx", "onnx", "onnx: 1 row: ", marks=pytest.mark.slow),
        ("the_legacy_exporter", "onnx", "onnx: 1 row: "),
        ("before_the_training", "torchscript", "torchscript: outputs differ by"),
        ("an_old_checkpoint", "torchscript", "torchscript: outputs differ by 0.05"),
        ("without_its_normaliser", "torchscript", "torchscript: outputs differ by"),
        ("with_a_softmax", "torchscript", "it gives probabilities, the model itself logits"),
        ("classes_swapped", "torchscript", "its columns are those of the model in another order: [1, 0, 2,"),
        ("half_precision", "torchscript", "differences of this size come from half precision"),
    ],
)
def test_a_fault_of_an_export_is_red_and_named(small: Trained, how: str, to: str, told: str) -> None:
    """Most keep the accuracy; the outputs, and batches of other sizes, tell."""
    found = verdict(parity(small, to, spec=deployed(small, how)))

    assert found.status is Status.FAILED
    assert told in "\n".join([found.summary, *found.facts])


def test_a_softmax_in_the_export_is_fine_where_it_is_meant(small: Trained) -> None:
    """Then predictions are compared with predictions, and the metric is that of the training."""
    found = parity(small, "torchscript", spec=deployed(small, "with_a_softmax"), gives="predictions")

    assert found.score == found.reference_score
    assert verdict(found, gives="predictions").status is Status.PASSED


@pytest.mark.parametrize(
    ("how", "to", "told"),
    [
        ("another_file", "onnx", "export wrote network.onnx, and no model.onnx"),
        ("nothing_but_noise", "onnx", "model.onnx cannot be loaded: InvalidProtobuf"),
        (
            "weights_of_one_layer_missing",
            "safetensors",
            "model.safetensors cannot be loaded into the model: RuntimeError",
        ),
        ("two_outputs", "onnx", "model.onnx has the outputs a, b: which of them answers?"),
    ],
)
def test_a_file_that_is_no_export_is_an_error(small: Trained, how: str, to: str, told: str) -> None:
    """In one line, with the remedy."""
    with pytest.raises(MlspecError) as caught:
        parity(small, to, spec=deployed(small, how))

    assert told in caught.value.message
    assert caught.value.advice
