"""The steps of `data.prepare`, each fitted on the training rows alone and stored without pickling.

    frame.py        features between two steps, and how raw features are read: by what the training rows hold
    numbers.py      impute, standardize, min_max, robust_scale, quantile, log1p, transformers by class name
    categories.py   one_hot, ordinal, ids
    dates.py        dates
    tokens.py       tokenize;  pretrained_tokenizer.py  tokenizer;  counts.py  tfidf, count
    images.py       images
    own.py          the team's own transformers
    inputs.py       what comes out of the last step as what enters a model
    stored.py       a fitted preparation in a folder, and back;  values.py  its values as JSON and arrays

A step has `fit(frame, targets)`, `transform(frame)` and `learned`, all that it knows after the fit. `recipe/steps.py` makes
steps by name, `recipe/transform.py` fits and applies them in order.
"""
