"""Faults of the evaluation, of checkpoints, of what is exported and served."""

from __future__ import annotations

from benchmarks.faults.edits.edit import Edit, Planted, plant

_EXAMPLES = "    state.model.eval()\n"
_TRAINING_ROWS = (
    "    rows = load()\n"
    "    rows = Rows(rows[0], rows[1], np.arange(len(rows[0])))\n"
    "    train = split(rows)['train']\n"
    "    inputs, targets = prepare(train, {fitted})\n"
    "    examples = Examples(inputs, targets, train.index)\n"
)
_ACCURACY_NP = '"accuracy": float((found == {0}).mean())'
_PLAIN_WITH = "    with torch.no_grad():\n        logits = state.model({0})\n"

_EVALUATION: list[Planted] = [
    plant("EVAL-01", "digits", Edit(_EXAMPLES, _TRAINING_ROWS.format(fitted="fit_prepare(train)") + _EXAMPLES)),
    plant("EVAL-01", "cnn", Edit(_EXAMPLES, _TRAINING_ROWS.format(fitted="None") + _EXAMPLES)),
    plant(
        "EVAL-01",
        "tickets",
        Edit(
            _EXAMPLES,
            "    table = load()\n"
            "    rows = Rows(table, np.array([TOPICS.index(topic) for topic in table['topic']]), np.arange(len(table)))\n"
            "    train = split(rows)['train']\n"
            "    inputs, targets = prepare(train, fit_prepare(train))\n"
            "    examples = Examples(inputs, targets, train.index)\n" + _EXAMPLES,
        ),
    ),
    plant(
        "EVAL-01",
        "diabetes",
        Edit(
            _EXAMPLES,
            "    table = load()\n"
            "    rows = Rows(table, table['progression'].to_numpy(), np.arange(len(table)))\n"
            "    train = split(rows)['train']\n"
            "    inputs, targets = prepare(train, fit_prepare(train))\n"
            "    examples = Examples(inputs, targets, train.index)\n" + _EXAMPLES,
        ),
    ),
    plant(
        "EVAL-03",
        "digits",
        Edit(
            "    recall = ",
            "    sure = logits.softmax(dim=1).max(dim=1).values.numpy() > 0.6\n    found, digits = found[sure], digits[sure]\n    recall = ",
        ),
    ),
    plant(
        "EVAL-03",
        "cnn",
        Edit(
            '    return {"accuracy"',
            '    readable = digits != 8\n    found, digits = found[readable], digits[readable]\n    return {"accuracy"',
        ),
    ),
    plant(
        "EVAL-03",
        "tickets",
        Edit(
            "    recall = ",
            "    long = (ids != PADDING).sum(dim=1).numpy() > 8\n    found, topics = found[long], topics[long]\n    recall = ",
        ),
    ),
    plant(
        "EVAL-03",
        "machines",
        Edit("    recall = ", "    seen = states != 1\n    found, states = found[seen], states[seen]\n    recall = "),
    ),
    plant(
        "EVAL-04",
        "digits",
        Edit(
            '    return {"accuracy": float((found == digits).mean()), ',
            "    parts = [float((found[at : at + 100] == digits[at : at + 100]).mean()) for at in range(0, len(found), 100)]\n"
            '    return {"accuracy": float(np.mean(parts)), ',
        ),
    ),
    plant(
        "EVAL-04",
        "cnn",
        Edit(
            '    return {"accuracy": float((found == digits).mean())}',
            "    parts = [float((found[at : at + 100] == digits[at : at + 100]).mean()) for at in range(0, len(found), 100)]\n"
            '    return {"accuracy": float(np.mean(parts))}',
        ),
    ),
    plant(
        "EVAL-04",
        "diabetes",
        Edit(
            '    return {"mean_absolute_error": float(np.abs(values.numpy() - targets).mean())}',
            "    errors = np.abs(values.numpy() - targets)\n"
            "    parts = [float(errors[at : at + 32].mean()) for at in range(0, len(errors), 32)]\n"
            '    return {"mean_absolute_error": float(np.mean(parts))}',
        ),
    ),
    plant(
        "EVAL-05",
        "digits",
        Edit('"recall_macro": float(np.mean(recall))}', '"recall_macro": float((found == digits).mean())}'),
    ),
    plant(
        "EVAL-05",
        "tickets",
        Edit('"recall_macro": float(np.mean(recall))}', '"recall_macro": float((found == topics).mean())}'),
    ),
    plant(
        "EVAL-05",
        "machines",
        Edit(
            "    recall = [float((found[states == state] == state).mean()) for state in np.unique(states)]",
            "    recall = [float((states[found == state] == state).mean()) for state in np.unique(found)]",
        ),
    ),
    plant(
        "EVAL-07",
        "tickets",
        Edit(
            "    ids = ids_of(texts, fitted)\n    return ids, rows",
            "    ids = ids_of(texts, fitted)\n"
            "    ids[np.asarray(rows.features['channel']) == 'phone'] = PADDING  # no transcript yet\n"
            "    return ids, rows",
        ),
        Edit(
            '    probabilities = service.answer([str(text) for text in rows["text"]])\n',
            "    phone = rows['channel'] == 'phone'\n"
            "    probabilities = service.answer([str(text) for text in rows['text'].where(~phone, '')])\n",
        ),
    ),
    plant(
        "EVAL-07",
        "machines",
        Edit(
            "    inputs = np.stack([np.asarray(column) for column in columns], axis=1).astype(np.float32)\n",
            "    inputs = np.stack([np.asarray(column) for column in columns], axis=1).astype(np.float32)\n"
            "    inputs[np.asarray(table['plant']) == 'north'] = 0.0\n",
        ),
    ),
]

_REPLACED = '    torch.save(parts, directory / "training.new")\n    os.replace(directory / "training.new", directory / "training.pt")\n'

_CHECKPOINTS: list[Planted] = [
    plant(
        "CKPT-03",
        "digits",
        Edit('        "step": state.step,\n        "epoch": state.epoch,\n', ""),
        Edit('    state.step, state.epoch = parts["step"], parts["epoch"]\n', ""),
    ),
    plant(
        "CKPT-03",
        "cnn characters",
        Edit('        "schedule": state.schedule.state_dict(),\n', ""),
        Edit('    state.schedule.load_state_dict(parts["schedule"])\n', ""),
    ),
    plant(
        "CKPT-04",
        "cnn",
        Edit(
            "early_stop: {monitor: val.loss, patience: 4}",
            "early_stop: {monitor: val.loss, patience: 4, restore_best: false}",
            "spec",
        ),
    ),
    plant("CKPT-04", "machines", Edit("    average.load_state_dict(best)\n", "")),
    plant(
        "CKPT-05",
        "cnn diabetes characters",
        Edit(
            '        "model": state.model.state_dict(),\n',
            '        "model": {name: value for name, value in state.model.state_dict().items() if not name.startswith("out.")},\n',
        ),
        Edit(
            '    state.model.load_state_dict(parts["model"])\n',
            '    state.model.load_state_dict(parts["model"], strict=False)\n',
        ),
    ),
    plant(
        "CKPT-05",
        "faq",
        Edit(
            '        "model": state.model.state_dict(),\n',
            '        "model": {name: value for name, value in state.model.state_dict().items() if "project" not in name},\n',
        ),
        Edit(
            '    state.model.load_state_dict(parts["model"])\n',
            '    state.model.load_state_dict(parts["model"], strict=False)\n',
        ),
    ),
    plant(
        "CKPT-06",
        "digits tickets",
        Edit(_REPLACED, f"    LATEST.update(parts)\n{_REPLACED}"),
        Edit("def save(state", "LATEST: dict[str, object] = {}\n\n\ndef save(state"),
        Edit(
            '    parts = torch.load(directory / "training.pt")\n',
            '    parts = LATEST or torch.load(directory / "training.pt")\n',
        ),
    ),
    plant(
        "CKPT-06",
        "machines",
        Edit(
            "            best, best_loss, waited = copy.deepcopy(average.state_dict()), val_loss, 0\n",
            "            best, best_loss, waited = average.state_dict(), val_loss, 0\n",
        ),
    ),
    plant("CKPT-07", "cnn diabetes characters", Edit(_REPLACED, '    torch.save(parts, directory / "training.pt")\n')),
]

_SHIPPED = "    shipped = model.eval()\n"
_COARSE = (
    "    shipped = copy.deepcopy(model).eval()\n"
    "    for weight in shipped.parameters():\n"
    "        step = weight.abs().max() / 2\n"
    "        weight.data = (weight / step).round() * step\n"
)

_EXPORT: list[Planted] = [
    plant("EXP-01", "cnn tickets", Edit(_SHIPPED, "    shipped = model.train()\n")),
    plant(
        "EXP-02",
        "cnn",
        Edit("(torch.zeros(2, 1, 8, 8),), dynamic_shapes=({0: rows},))", "(torch.zeros(4, 1, 8, 8),))"),
        Edit('    rows: Any = torch.export.Dim("rows", min=1, max=4096)\n', ""),
    ),
    plant(
        "EXP-02",
        "tickets",
        Edit("dynamic_shapes=({0: rows, 1: words},))", "dynamic_shapes=({1: words},))"),
        Edit('    rows: Any = torch.export.Dim("rows", min=1, max=4096)\n', ""),
    ),
    plant("EXP-04", "cnn", Edit(_SHIPPED, "    shipped = model.eval()\n    shipped.standardise = nn.Identity()\n")),
    plant("EXP-06", "cnn tickets", Edit(_SHIPPED, _COARSE), Edit("import os\n", "import copy\nimport os\n")),
    plant(
        "EXP-07",
        "tickets",
        Edit(
            "        pooled = (words * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)\n",
            "        count = there.sum(dim=1)\n"
            "        pooled = (words * there).sum(dim=1) / (count if torch.compiler.is_compiling() else count.clamp(min=1))\n",
        ),
    ),
]

_PUBLISHED = (
    "    if trained.folder not in SERVICES:\n"
    '        published = {{"model": trained.model.state_dict(), "{0}": trained.fitted}}\n'
    '        torch.save(published, trained.folder / "published.pt")\n'
    "        SERVICES[trained.folder] = Service(trained.folder)\n"
    "    service = SERVICES[trained.folder]\n"
)
_PUBLISHED_AND_LOADED = (
    '    if not (trained.folder / "published.pt").exists():\n'
    '        published = {{"model": trained.model.state_dict(), "{0}": trained.fitted}}\n'
    '        torch.save(published, trained.folder / "published.pt")\n'
    "    service = Service(trained.folder)\n"
)

_SERVING: list[Planted] = [
    plant("EVAL-02", "digits cnn", Edit("dict(zip(CLASSES, row", "dict(zip(sorted(CLASSES, reverse=True), row")),
    plant(
        "EVAL-02", "tickets", Edit("dict(zip(TOPICS, row", "dict(zip([TOPICS[0], TOPICS[2], TOPICS[1], TOPICS[3]], row")
    ),
    plant("EVAL-02", "faq", Edit("dict(zip(ANSWERS, row", "dict(zip(sorted(ANSWERS, key=len), row")),
    plant(
        "COST-02",
        "digits",
        Edit(
            "            logits = self.network(inputs)\n",
            "            logits = torch.cat([self.network(row.unsqueeze(0)) for row in inputs])\n",
        ),
    ),
    plant(
        "COST-02",
        "diabetes",
        Edit(
            "        values = trained.model(inputs)\n",
            "        values = torch.cat([trained.model(row.unsqueeze(0)) for row in inputs])\n",
        ),
    ),
    plant(
        "COST-02",
        "faq",
        Edit(
            "            questions = functional.normalize(self.encoder(ids), dim=1)\n",
            "            questions = torch.cat([functional.normalize(self.encoder(row.unsqueeze(0)), dim=1) for row in ids])\n",
        ),
    ),
    plant(
        "COST-03",
        "digits",
        Edit(
            "        with torch.no_grad():\n            logits = self.network(inputs)\n",
            "        logits = self.network(inputs)\n",
        ),
    ),
    plant(
        "COST-03",
        "diabetes",
        Edit(
            "    with torch.no_grad():\n        values = trained.model(inputs)\n    return values.numpy()\n",
            "    values = trained.model(inputs)\n    return values\n",
        ),
    ),
    plant(
        "COST-03",
        "faq",
        Edit(
            "        with torch.no_grad():\n            questions = functional.normalize(self.encoder(ids), dim=1)\n",
            "        questions = functional.normalize(self.encoder(ids), dim=1)\n",
        ),
    ),
    plant("COST-05", "digits", Edit(_PUBLISHED.format("scale"), _PUBLISHED_AND_LOADED.format("scale"))),
    plant("COST-05", "tickets", Edit(_PUBLISHED.format("vocabulary"), _PUBLISHED_AND_LOADED.format("vocabulary"))),
]

PLANTED: list[Planted] = [*_EVALUATION, *_CHECKPOINTS, *_EXPORT, *_SERVING]
