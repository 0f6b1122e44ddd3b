"""The model and its loss."""

from __future__ import annotations

from pytest_mlspec.diagnosis.suspects.suspect import Suspect

MODEL: tuple[Suspect, ...] = (
    Suspect(
        "frozen",
        "a layer does not learn",
        {"gradients.no_gradient": 2, "gradients.frozen": 3, "gradients.unmoved": 1, "reference_step.detached": 3},
        "requires_grad, detach, no_grad, a branch that the loss does not see",
    ),
    Suspect(
        "not_in_optimizer",
        "a layer is missing from the optimiser",
        {"gradients.unmoved": 3, "loop.not_in_optimizer": 3, "reference_step.update": 1},
        "which parameters the optimiser is given",
    ),
    Suspect(
        "stale_parameters",
        "the optimiser holds other parameters than the model",
        {"gradients.stale": 3, "loop.stale": 3, "gradients.unmoved": 1, "curve.stuck": 2, "converges": 1},
        "an optimiser that is made before the model is wrapped, copied or moved",
    ),
    Suspect(
        "no_activation",
        "layers follow each other without an activation",
        {"capacity.linear": 3, "baseline.answers": 2},
        "the forward of the model",
    ),
    Suspect(
        "outputs_limited",
        "the outputs cannot take every value that the loss expects",
        {"capacity.range": 3, "loss.range": 3, "loss.probabilities": 1, "gradients.zero": 0.5, "overfit": 1},
        "a ReLU, sigmoid or softmax after the last layer",
    ),
    Suspect(
        "batch_coupled",
        "a row's output depends on the other rows of its batch",
        {
            "independence.alone": 3,
            "independence.order": 2,
            "embeddings.alone": 3,
            "properties.independent": 2,
            "export": 1,
            "serving.alone": 2,
        },
        "a mean, softmax or sort over the batch axis; batch statistics in evaluation mode",
    ),
    Suspect(
        "strong_dropout",
        "dropout leaves little of the model",
        {"capacity.dropout": 3, "baseline.dropout": 2, "overfit": 1, "converges": 1, "curve.underfitting": 1},
        "the rate of dropout: it is the share that is dropped",
    ),
    Suspect(
        "batch_of_one",
        "a batch norm sees batches of one row",
        {"loop.batch_of_one": 3},
        "the batch size, and the rows left over for the last batch",
    ),
    Suspect(
        "bottleneck",
        "the model is too narrow for its task",
        {"capacity.narrow": 3, "baseline.parameters": 1, "overfit": 2, "curve.underfitting": 1},
        "the narrowest layer",
    ),
    Suspect(
        "sees_future",
        "a position sees later ones",
        {"independence.causal": 3},
        "the mask of the attention, and which way it goes",
    ),
    Suspect(
        "padding_counted",
        "padding changes the answer",
        {"independence.padding": 3, "loss.padding": 1, "embeddings.padding": 3},
        "the mask in pooling and attention",
    ),
    Suspect(
        "symmetric",
        "units of a layer begin equal and stay equal",
        {"gradients.symmetric": 3, "gradients.zero": 1, "overfit": 1, "curve.stuck": 1},
        "an initialisation with zeros or a constant",
    ),
    Suspect(
        "dead_units",
        "units are 0 for every row",
        {"capacity.dead": 3, "gradients.zero": 2.5, "overfit": 0.5, "curve.no_gradient": 2},
        "large negative biases, a rate that is too high, inputs that are not scaled",
    ),
    Suspect(
        "vanishing",
        "gradients vanish on their way through the layers",
        {"gradients.norms": 3, "curve.stuck": 1},
        "saturated activations, depth without norms or residual connections, the scale of the weights",
    ),
    Suspect(
        "large_start",
        "the model begins with confident, wrong outputs",
        {"loss.start": 3, "gradients.norms": 1},
        "the scale of the output layer's weights, inputs that are not scaled",
    ),
    Suspect(
        "model_changed",
        "the code builds another model than the recorded one",
        {"baseline.parameters": 3, "baseline.answers": 3, "baseline.dropout": 2.5, "baseline.estimator": 3},
        "layers, norms, biases and activations that the model's code has lost or won; the version of its library",
    ),
)


LOSS: tuple[Suspect, ...] = (
    Suspect(
        "outputs_twice",
        "a softmax or sigmoid is applied twice",
        {
            "loss.floor": 3,
            "loss.probabilities": 3,
            "loss.unbounded": 2,
            "reference_step.softmax": 3,
            "overfit": 1.5,
            "capacity.range": 1,
        },
        "the loss takes logits: no softmax in the model or before the loss",
    ),
    Suspect(
        "sum_of_rows",
        "the loss is a sum, not a mean over rows",
        {"loss.mean": 3, "reference_step.scale": 3, "loss.start": 1},
        "the reduction of the loss",
    ),
    Suspect(
        "rows_coupled",
        "the loss of a row depends on other rows",
        {"loss.separable": 3, "reference_step.broadcast": 3, "loss.floor": 1, "overfit": 1, "converges": 0.5},
        "shapes [N, 1] and [N] that are broadcast to [N, N]; statistics over the batch",
    ),
    Suspect(
        "loss_on_padding",
        "padding counts in the loss",
        {"loss.padding": 3, "reference_step.padding": 3},
        "ignore_index, and the mask of the mean",
    ),
    Suspect(
        "accumulation",
        "micro-batches do not add up to the batch",
        {"reference_step.accumulation": 3, "reference_step.scale": 1, "loop.window": 2},
        "the weight of each micro-batch, and the division by their number",
    ),
    Suspect(
        "other_loss",
        "the step minimises another loss than the declared one",
        {
            "reference_step.gradients": 2,
            "reference_step.extra": 2,
            "reference_step.weights": 3,
            "loss.weights": 3,
            "reference_step.sign": 3,
            "reference_step.targets": 2,
            "loss.direction": 2,
        },
        "class weights and their order, extra terms, the wrong targets",
    ),
    Suspect(
        "no_gradient_of_loss",
        "the loss has no gradient with respect to the outputs",
        {"loss.no_gradient": 3, "gradients.no_gradient": 1, "curve.no_gradient": 1, "converges": 0.5},
        "an argmax, a rounding or detach() in the loss",
    ),
    Suspect(
        "wrong_sign",
        "the loss leads away from the targets",
        {"loss.direction": 2.5, "curve.diverging": 1, "converges": 0.5},
        "the sign of the loss, and which target goes with which output",
    ),
    Suspect(
        "truncated_targets",
        "targets or inputs lose their fractions or their precision",
        {"loss.truncated": 3, "reference_step.truncated": 3, "data.rounded": 3},
        "integer division, .long() or .int() between data and loss",
    ),
)
