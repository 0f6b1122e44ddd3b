"""`inputs`: what really enters the model is on the scale that its initialisation and its rate are made for."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import Field

from pytest_mlspec.check import (
    Params,
    Status,
    Verdict,
    at_least,
    at_most,
    check,
    errored,
    failed,
    first_red,
    passed,
    shown,
)
from pytest_mlspec.evidence import LayerInput, LayerInputs
from pytest_mlspec.jobs import ObserveInputs

# Counts of which so many are 0, as those of words, are large in few places.
_SPARSE = 0.9


class InputsParams(Params):
    """How large the numbers may be that enter a first layer: their root mean square over all rows and columns.

    Initialisations keep the scale of activations where inputs have a mean square of about 1 (Glorot and Bengio 2010, He et al.
    2015), and the curvature of the loss grows with its square (LeCun et al. 1998, Efficient BackProp, 4.3). Standardized
    numbers have 1, values in [0, 1], categories and weights of words less, images scaled as those of ImageNet at most 2.6.
    """

    rms_at_most: float = Field(5.0, gt=0)


@check("inputs", needs=lambda p: {"inputs": ObserveInputs()})
def inputs(params: InputsParams, inputs: LayerInputs) -> Verdict:
    """The numbers that enter the first layers differ between rows, and are on the scale of standardized ones."""
    return _judged(params, inputs).on(n=inputs.rows, device=inputs.device)


def _judged(params: InputsParams, measured: LayerInputs) -> Verdict:
    if not measured.rows or not measured.layers:
        return errored(f"{measured.rows} rows entered {len(measured.layers)} layers: nothing was measured")
    return first_red(*_same(measured), *(_scale(params, layer) for layer in measured.layers))


def _same(measured: LayerInputs) -> Iterator[Verdict]:
    if measured.rows > 1 and all(layer.same for layer in measured.layers):
        yield failed(f"each of {measured.rows} rows enters the model with the same numbers").explained(
            *(_told(layer) for layer in measured.layers),
            advice="does prepare overwrite its result, divide by a large number, or leave the features out?",
            finding="inputs.constant",
        )


def _scale(params: InputsParams, layer: LayerInput) -> Verdict:
    if layer.counts and at_least(layer.zeros, _SPARSE).status is Status.PASSED:
        return passed(f"{_told(layer)}: counts, {layer.zeros:.0%} of them 0")
    verdict = at_most(layer.root_mean_square, params.rms_at_most, of=f"root mean square of what enters {layer.layer}:")
    return verdict.explained(
        _told(layer),
        advice="scale in prepare (`prepare: standard`, `scale` of images), or in the model; where it is meant,"
        f" `inputs: {{rms_at_most: {2 * layer.root_mean_square:.0f}}}` under checks",
        finding="inputs.scale",
    )


def _told(layer: LayerInput) -> str:
    largest = (
        f", largest in column {layer.column} of {layer.columns}: {shown(layer.column_root_mean_square)}"
        if layer.columns > 1
        else ""
    )
    return (
        f"{layer.layer} ({layer.kind}) takes {layer.dtype} from {shown(layer.low)} to {shown(layer.high)},"
        f" mean {shown(layer.mean)}, deviation {shown(layer.deviation)}, root mean square"
        f" {shown(layer.root_mean_square)}{largest}"
    )
