"""What is made of a training: its evaluation, its checkpoints, what is deployed."""

from __future__ import annotations

from pytest_mlspec.diagnosis.suspects.suspect import Suspect

EVALUATION: tuple[Suspect, ...] = (
    Suspect(
        "other_split",
        "a metric is computed on other rows than it says",
        {"evaluation.other_split": 3, "evaluation.metric": 1},
        "which split evaluate is given, and which it uses",
    ),
    Suspect(
        "rows_dropped",
        "a metric leaves rows out",
        {"evaluation.rows": 3, "evaluation.metric": 1},
        "filters and exceptions in evaluate",
    ),
    Suspect(
        "mean_of_batches",
        "a metric is the mean over batches of different sizes",
        {"evaluation.batches": 3, "evaluation.metric": 1},
        "weigh each batch by its rows, or compute the metric once",
    ),
    Suspect(
        "averaging",
        "a metric is averaged in another way than its name says",
        {"evaluation.averaging": 3, "evaluation.metric": 1},
        "macro, micro, weighted, and the class that counts as positive",
    ),
    Suspect(
        "evaluate_raises",
        "the team's own evaluate ends with an exception",
        {"evaluation.fails": 3},
        "the rows and the state that evaluate is given",
    ),
    Suspect(
        "evaluation_trains",
        "evaluation changes the model",
        {"evaluation.changes": 3, "loop.evaluation": 3},
        "backward or training mode in the evaluation",
    ),
    Suspect(
        "slice_broken",
        "one part of the rows is answered worse than by chance",
        {"evaluation.slice": 3, "data.slice": 3},
        "how rows of that part are prepared",
    ),
    Suspect(
        "chosen_on_test",
        "the test split takes part in the training",
        {"evaluation.test_used": 3, "schedule.test_used": 3, "loop.test_used": 3},
        "early stopping and the choice of the model go by val",
    ),
    Suspect(
        "unseeded",
        "something random has no seed",
        {"reproducible.differs": 3, "reproducible.data": 1, "resumes": 0.5},
        "generators of numpy, random and torch that are made without the seed; worker processes",
    ),
    Suspect(
        "seed_ignored",
        "the seed changes nothing",
        {"reproducible.seeds": 3, "loop.same_order_of_seeds": 2},
        "a seed that is written into the code",
    ),
    Suspect(
        "state_not_saved",
        "a checkpoint lacks part of the state",
        {"resumes.state": 3, "resumes.differs": 2, "resumes.missing": 3},
        "schedule, optimiser, epoch, generators, every module; strict=False hides what is missing",
    ),
    Suspect(
        "alias_saved",
        "a checkpoint changes after it was saved",
        {"resumes.alias": 3},
        "copy the state_dict: its tensors are those of the model",
    ),
    Suspect(
        "torn_checkpoint",
        "a save that is interrupted leaves nothing to restore",
        {"resumes.torn": 3},
        "write to another name, then rename",
    ),
)


DEPLOYMENT: tuple[Suspect, ...] = (
    Suspect(
        "exported_in_training",
        "the exported model is in training mode",
        {"export.repeat": 3, "export.outputs": 2},
        "model.eval() before the export",
    ),
    Suspect(
        "fixed_batch",
        "the exported model takes one batch size alone",
        {"export.batch": 3, "export.length": 2},
        "dynamic axes for the batch",
    ),
    Suspect(
        "preparation_left_out",
        "the exported model lacks part of the preparation",
        {"export.outputs": 2, "serving.whole": 1},
        "what of the preparation belongs into the artefact",
    ),
    Suspect(
        "other_weights",
        "production answers with other weights than the training gave, or with what others made",
        {"serving.golden": 2, "serving.whole": 1.2, "serving.metric": 0.5},
        "which checkpoint predict loads, and which model an index or a cache beside it was built with",
    ),
    Suspect(
        "quantised",
        "the quantised model answers otherwise",
        {"export.metric": 3, "export.decisions": 2},
        "calibration rows, layers to leave in float",
    ),
    Suspect(
        "loop_over_rows",
        "serving calls the model once for each row",
        {"cost.rows": 3, "serving.calls": 3, "latency": 2},
        "one call for the batch",
    ),
    Suspect(
        "gradients_in_serving",
        "serving records gradients",
        {"serving.gradients": 3},
        "torch.inference_mode in predict",
    ),
    Suspect(
        "reloaded",
        "serving loads the model for each request",
        {"serving.reload": 3, "latency": 1},
        "load once, and keep it",
    ),
    Suspect(
        "edge_rows",
        "rows at the edge of the data have no answer",
        {"properties.finite": 3, "properties.answered": 3, "properties.contract": 3},
        "divisions by 0, logarithms, means of nothing, categories and lengths that are taken for granted",
    ),
    Suspect(
        "invariance",
        "what should change no prediction does",
        {"properties.invariant": 3},
        "what `invariant` declares, and what of it the model was built or augmented for",
    ),
    Suspect(
        "not_normalised_embedding",
        "embeddings are not of the expected length",
        {"embeddings.norm": 3},
        "a normalisation at the end of the encoder",
    ),
    Suspect(
        "collapsed",
        "different inputs get the same output",
        {"embeddings.collapse": 3, "capacity.collapsed": 3},
        "the loss, the temperature, a rate that is too high",
    ),
    Suspect(
        "duplicates_in_batch",
        "a batch holds its own positives as negatives",
        {"data.duplicates": 1.5, "loss.duplicates": 3, "embeddings.duplicates": 3},
        "a sampler without duplicates",
    ),
)
