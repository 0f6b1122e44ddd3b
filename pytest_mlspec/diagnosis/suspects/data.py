"""The data, their splits, and how they are prepared."""

from __future__ import annotations

from pytest_mlspec.diagnosis.suspects.suspect import Suspect

ROWS: tuple[Suspect, ...] = (
    Suspect(
        "rows_lost",
        "training rows are missing",
        {"baseline.rows": 3, "reference_step.rows": 3, "loop.rows_unseen": 2, "data.empty": 1, "converges": 0.5},
        "the glob, filter or join of load; drop_last; what the sampler leaves out",
    ),
    Suspect(
        "class_lost",
        "a class does not reach the training",
        {"loop.class_unseen": 3, "data.class_missing": 3, "baseline.class_shares": 2, "loss.class_uncounted": 2},
        "rows sorted by class with drop_last, a cut file, a filter on the label",
    ),
    Suspect(
        "not_shuffled",
        "batches hold rows in the order of the file",
        {"loop.sorted": 3, "loop.same_order": 1},
        "shuffle of the loader or of the batches that the recipe gives",
    ),
    Suspect(
        "same_order",
        "every epoch, or every seed, sees the rows in the same order",
        {"loop.same_order": 3, "loop.same_order_of_seeds": 2},
        "a generator that is seeded again at each epoch, or with a constant",
    ),
    Suspect(
        "data_changed",
        "the data are not those of the baseline",
        {"baseline.values": 3, "baseline.nulls": 3, "baseline.columns": 3, "baseline.rows": 1, "inputs.scale": 1},
        "what load reads: units, how missing values are filled, the columns and their types",
    ),
    Suspect(
        "stale_features",
        "prepared features are not those of these rows",
        {"preparation.stale": 3, "baseline.prepared": 3, "preparation.repeat": 1},
        "a cache whose key lacks the rows or the version of the code",
    ),
    Suspect(
        "labels_wrong",
        "labels do not belong to their rows",
        {
            "baseline.labels": 3,
            "data.label_noise": 3,
            "reference_step.targets": 3,
            "curve.memorised": 2,
            "converges": 1,
            "gate": 0.5,
        },
        "where rows and labels are joined, sorted or shuffled apart; the source of the labels",
    ),
    Suspect(
        "label_codes",
        "a code that means no label is learned as a class",
        {"data.label_codes": 3, "baseline.classes": 2, "loss.uncounted": 1},
        "ignore_index, and what stands for a missing label",
    ),
)


LEAKS: tuple[Suspect, ...] = (
    Suspect(
        "shared_rows",
        "rows stand in two splits",
        {"data.shared": 3, "data.near": 3, "baseline.moved": 1, "chance.told": 1},
        "the split, copies made before it, oversampling",
    ),
    Suspect(
        "split_drawn",
        "the split is not the declared one, or another one in each run",
        {"data.crossing": 3, "preparation.moved": 3, "baseline.moved": 3, "reproducible.data": 2},
        "the seed, the group or the time that the split should go by",
    ),
    Suspect(
        "target_told",
        "the features tell the target",
        {"data.telling": 3, "chance.told": 1},
        "columns that are made from the target, or known only after it",
    ),
    Suspect(
        "selected_before_split",
        "the preparation has seen the targets of held-out rows",
        {"chance.told": 3, "preparation.fitted": 2},
        "feature selection, target encoding or oversampling before the split",
    ),
    Suspect(
        "fitted_on_all",
        "the preparation is fitted on more than the training rows",
        {"preparation.fitted": 3, "preparation.rows": 1},
        "where the mean, the vocabulary or the scale comes from",
    ),
    Suspect(
        "scaled_by_split",
        "each split is prepared by its own statistics",
        {"preparation.rows": 3, "preparation.fitted": 1, "serving.alone": 1},
        "fit_transform in the place of transform",
    ),
)


PREPARATION: tuple[Suspect, ...] = (
    Suspect(
        "not_normalised",
        "inputs reach the model unscaled",
        {"inputs.scale": 3, "baseline.prepared": 1, "curve.spike": 1, "loss.start": 1},
        "the normalisation of prepare",
    ),
    Suspect(
        "random_evaluation",
        "something random is left on where the model is evaluated",
        {
            "preparation.repeat": 3,
            "independence.repeat": 3,
            "embeddings.repeat": 3,
            "evaluation.repeat": 2,
            "serving.again": 1,
            "export": 1,
        },
        "augmentation in prepare or collate, functional dropout without training=self.training",
    ),
    Suspect(
        "other_serving",
        "production prepares a row in another way than the training",
        {"serving.whole": 3, "serving.metric": 2, "serving.golden": 1},
        "the normalisation, the tokenizer, the order of columns or channels in predict",
    ),
    Suspect(
        "texts_cut",
        "the model does not read texts to their end",
        {"embeddings.truncated": 3},
        "the longest text that the tokenizer and each module take",
    ),
    Suspect(
        "class_order",
        "answers are read in another order of classes",
        {"serving.classes": 3, "serving.whole": 1.5, "baseline.classes": 2, "evaluation.classes": 1},
        "the list of classes in predict",
    ),
)
