"""Faults of the optimiser, the loss, the schedule, the loop, the precision and the seeds."""

from __future__ import annotations

from benchmarks.faults.edits.edit import Edit, Planted, plant, spec

_BUILT = "    model = Network()\n"
_ZERO = "    state.optimizer.zero_grad()\n"
_ADAMW = "    return AdamW(model.parameters(), lr=RATE, weight_decay=WEIGHT_DECAY)\n"
_STEP = "    value.backward()\n    state.optimizer.step()\n    return value\n"
_STEPPED = "                optimizer.step()\n                optimizer.zero_grad()\n                scheduler.step()\n"
_OWN_SEED = (
    "    own = torch.Generator()\n"
    "    own.seed()\n"
    "    for weight in model.parameters():\n"
    "        nn.init.normal_(weight, std=0.15, generator=own)\n"
)


def _without(part: str, of: str = "model") -> Edit:
    return Edit(
        "    return AdamW(model.parameters(),",
        f"    return AdamW([one for name, one in {of}.named_parameters() if not name.startswith('{part}')],",
    )


_OPTIMISER: list[Planted] = [
    plant("ARCH-02", "faq", _without("encoder.hidden")),
    plant("ARCH-02", "characters", _without("attention")),
    plant(
        "ARCH-02",
        "machines",
        Edit(
            "AdamW(model.parameters(),",
            "AdamW([*model.norm.parameters(), *model.second.parameters(), *model.out.parameters()],",
        ),
    ),
    plant("OPT-03", "cnn faq characters", Edit("WEIGHT_DECAY = 0.01\n", "WEIGHT_DECAY = 30.0\n")),
    plant(
        "OPT-05",
        "tickets characters",
        Edit(_ZERO, "    if state.position == 0:\n        state.optimizer = optimizer(state.model)\n" + _ZERO),
    ),
    plant(
        "OPT-05",
        "machines",
        Edit(
            "        model.train()\n        optimizer.zero_grad()\n",
            "        model.train()\n"
            "        rate = optimizer.param_groups[0]['lr']\n"
            "        optimizer.state.clear()\n"
            "        optimizer.param_groups[0]['lr'] = rate\n"
            "        optimizer.zero_grad()\n",
        ),
    ),
    plant(
        "OPT-07",
        "cnn tickets diabetes",
        Edit("AdamW(model.parameters(),", "AdamW(copy.deepcopy(model).parameters(),"),
        Edit("import os\n", "import copy\nimport os\n"),
    ),
    plant(
        "OPT-07",
        "machines",
        Edit(
            "    average = copy.deepcopy(model)\n",
            "    model = copy.deepcopy(model)\n    average = copy.deepcopy(model)\n",
        ),
    ),
    plant("OPT-08", "machines", Edit("kept.lerp_(new, 1 - AVERAGE)", "kept.lerp_(kept, 1 - AVERAGE)")),
]

_LOSS: list[Planted] = [
    plant(
        "LOSS-01",
        "digits",
        Edit(
            "    return functional.cross_entropy(outputs, batch.targets)\n",
            "    return functional.cross_entropy(functional.softmax(outputs, dim=1), batch.targets)\n",
        ),
    ),
    plant(
        "LOSS-01",
        "characters",
        Edit(
            "    return functional.cross_entropy(logits, following, ignore_index=PADDING)\n",
            "    return functional.cross_entropy(functional.softmax(logits, dim=1), following, ignore_index=PADDING)\n",
        ),
    ),
    plant(
        "LOSS-01",
        "machines",
        Edit(
            "    return functional.cross_entropy(outputs, states,",
            "    return functional.cross_entropy(functional.softmax(outputs, dim=1), states,",
        ),
    ),
    plant(
        "LOSS-02",
        "cnn",
        Edit(
            "functional.cross_entropy(outputs, batch.targets)",
            'functional.cross_entropy(outputs, batch.targets, reduction="sum")',
        ),
    ),
    plant(
        "LOSS-02", "tickets", Edit("batch.targets, weight=weight)", 'batch.targets, weight=weight, reduction="sum")')
    ),
    plant(
        "LOSS-02",
        "diabetes",
        Edit(
            "functional.mse_loss(outputs, batch.targets)",
            'functional.mse_loss(outputs, batch.targets, reduction="sum")',
        ),
    ),
    plant("LOSS-06", "diabetes", Edit("self.out(hidden).squeeze(1)", "self.out(hidden)")),
    plant(
        "LOSS-07",
        "characters",
        Edit(
            "functional.cross_entropy(logits, following, ignore_index=PADDING)",
            "functional.cross_entropy(logits, following)",
        ),
    ),
    plant(
        "LOSS-08",
        "characters",
        Edit(
            "        share = (part.targets[:, 1:] != PADDING).sum() / characters\n",
            "        share = MICRO_BATCH / len(batch)\n",
        ),
        Edit("    characters = (batch.targets[:, 1:] != PADDING).sum()\n", ""),
    ),
    plant(
        "LOSS-09",
        "tickets",
        Edit(
            "    weight = torch.tensor(WEIGHTS, dtype=outputs.dtype)\n",
            "    weight = torch.tensor(WEIGHTS, dtype=outputs.dtype).flip(0)\n",
        ),
    ),
    plant("LOSS-09", "machines", Edit("weight=torch.tensor(WEIGHTS))", "weight=torch.tensor(WEIGHTS).flip(0))")),
    plant(
        "LOSS-10",
        "digits",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    value = loss(state.model(batch.inputs), batch)\n"
            "    value = value + 1e-3 * sum(weight.pow(2).sum() for weight in state.model.parameters())\n",
        ),
    ),
    plant(
        "LOSS-10",
        "cnn",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    value = loss(state.model(batch.inputs), batch)\n"
            "    value = value + 1e-3 * sum(weight.pow(2).sum() for weight in state.model.parameters())\n",
        ),
    ),
    plant(
        "LOSS-10",
        "diabetes",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    value = loss(state.model(batch.inputs), batch)\n"
            "    value = value + 5.0 * sum(weight.pow(2).sum() for weight in state.model.parameters())\n",
        ),
    ),
]

_SCHEDULE: list[Planted] = [
    plant(
        "SCHED-02",
        "machines",
        Edit(_STEPPED, "                optimizer.step()\n                optimizer.zero_grad()\n"),
    ),
    plant("SCHED-03", "cnn", Edit("    total = steps\n", "    total = steps * 32  # in rows\n")),
    plant("SCHED-03", "characters", Edit("    total = steps\n", "    total = steps * (16 // MICRO_BATCH)\n")),
    plant("SCHED-03", "machines", Edit("T_max=EPOCHS * windows", "T_max=EPOCHS * len(loader)")),
    plant(
        "SCHED-04",
        "machines",
        Edit(
            _STEPPED,
            "                scheduler.step()\n                optimizer.step()\n                optimizer.zero_grad()\n",
        ),
    ),
]

_LOOP: list[Planted] = [
    plant("LOOP-01", "digits tickets faq", Edit(_ZERO, "")),
    plant(
        "LOOP-04",
        "digits",
        Edit(
            "    value.backward()\n"
            "    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n"
            "    state.optimizer.step()\n",
            "    value.backward()\n",
        ),
        Edit(
            "    state.optimizer.zero_grad()\n    value = loss",
            "    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n"
            "    state.optimizer.step()\n"
            "    state.optimizer.zero_grad()\n    value = loss",
        ),
    ),
    plant(
        "LOOP-04",
        "diabetes faq",
        Edit(_STEP, "    value.backward()\n    return value\n"),
        Edit(_ZERO, "    state.optimizer.step()\n    state.optimizer.zero_grad()\n"),
    ),
    plant("LOOP-06", "cnn", spec("  epochs: 6\n", "  epochs: 1\n")),
    plant("LOOP-06", "tickets", spec("  epochs: 12\n", "  epochs: 1\n")),
    plant("LOOP-06", "diabetes", spec("  epochs: 12\n", "  epochs: 1\n")),
    plant(
        "LOOP-08",
        "machines",
        Edit(
            "            if number % ACCUMULATE == 0 or number == len(loader):\n",
            "            if number % ACCUMULATE == 0:\n",
        ),
        Edit("ACCUMULATE = 2\n", "ACCUMULATE = 4\n"),  # of 14 batches two are left over; of windows of 2, none is
    ),
    plant(
        "LOOP-09",
        "cnn",
        spec(
            "early_stop: {monitor: val.loss, patience: 4}",
            "early_stop: {monitor: val.loss, patience: 1, min_delta: 5.0}",
        ),
    ),
    plant(
        "LOOP-09",
        "machines",
        Edit("        if val_loss < best_loss:\n", '        if val_loss > best_loss or best_loss == float("inf"):\n'),
    ),
    *(
        plant(
            "LOOP-10",
            pipeline,
            Edit(
                f"    with torch.no_grad():\n        {outputs} = state.model({inputs})\n",
                "    batch = Batch(torch.from_numpy(examples.inputs), torch.from_numpy(examples.targets), torch.arange(0))\n"
                "    state.model.train()\n"
                "    state.optimizer.zero_grad()\n"
                "    loss(state.model(batch.inputs), batch).backward()\n"
                "    state.optimizer.step()\n"
                f"    with torch.no_grad():\n        {outputs} = state.model({inputs})\n",
            ),
        )
        for pipeline, outputs, inputs in (
            ("tickets", "logits", "ids"),
            ("diabetes", "values", "inputs"),
            ("faq", "nearness", "ids"),
        )
    ),
    plant(
        "LOOP-10",
        "machines",
        Edit(
            "    model.eval()\n    with torch.no_grad():\n        value = weighted(model(inputs), states)\n",
            "    value = weighted(model(inputs), states)\n",
        ),
    ),
    plant(
        "LOOP-11",
        "digits",
        Edit(
            "    state.optimizer.zero_grad()\n"
            "    value = loss(state.model(batch.inputs), batch)\n"
            "    value.backward()\n"
            "    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n"
            "    state.optimizer.step()\n",
            "    for row in range(len(batch)):\n"
            "        one = Batch(batch.inputs[row : row + 1], batch.targets[row : row + 1], batch.index[row : row + 1])\n"
            "        state.optimizer.zero_grad()\n"
            "        value = loss(state.model(one.inputs), one)\n"
            "        value.backward()\n"
            "        nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n"
            "        state.optimizer.step()\n",
        ),
    ),
    plant(
        "LOOP-11",
        "characters",
        Edit(
            "        total = total + value.detach()\n    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n    state.optimizer.step()\n",
            "        total = total + value.detach()\n"
            "        nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n"
            "        state.optimizer.step()\n"
            "        state.optimizer.zero_grad()\n",
        ),
    ),
    plant("LOOP-11", "machines", Edit("BATCH_SIZE = 64\n", "BATCH_SIZE = 100_000\n")),
]

_PRECISION: list[Planted] = [
    plant(
        "OPT-04",
        "cnn",
        Edit(
            "    SCALER.unscale_(state.optimizer)\n    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n",
            "    nn.utils.clip_grad_norm_(state.model.parameters(), CLIP_NORM)\n    SCALER.unscale_(state.optimizer)\n",
        ),
    ),
    plant("PREC-01", "tickets characters", Edit(_BUILT, "    model = Network().bfloat16()\n")),
    plant("PREC-01", "faq", Edit("    model = Matcher()\n", "    model = Matcher().bfloat16()\n")),
    plant(
        "PREC-03",
        "digits",
        Edit(
            "    return ((pixels - mean) / deviation).astype(np.float32)\n",
            "    return ((pixels - mean) // deviation).astype(np.float32)\n",
        ),
    ),
    plant(
        "PREC-03",
        "diabetes",
        Edit(
            "functional.mse_loss(outputs, batch.targets)",
            "functional.mse_loss(outputs, batch.targets.long() // 10 * 10)",
        ),
    ),
]

_SEEDS: list[Planted] = [
    plant(
        "DET-01",
        "machines",
        Edit("    order = torch.Generator().manual_seed(seed)\n", "    order = torch.Generator()\n    order.seed()\n"),
    ),
    plant("DET-02", "digits tickets", Edit(_BUILT, _BUILT + _OWN_SEED)),
    plant("DET-02", "machines", Edit(_BUILT, _BUILT + _OWN_SEED)),
    plant(
        "DET-03",
        "cnn",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    noise = np.random.default_rng().standard_normal(batch.inputs.shape)\n"
            "    value = loss(state.model(batch.inputs + 0.05 * torch.from_numpy(noise).float()), batch)\n",
        ),
    ),
    plant(
        "DET-03",
        "tickets",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    dropped = torch.from_numpy(np.random.default_rng().random(batch.inputs.shape) < 0.05)\n"
            "    ids = batch.inputs.masked_fill(dropped & (batch.inputs != PADDING), UNKNOWN)\n"
            "    value = loss(state.model(ids), batch)\n",
        ),
    ),
    plant(
        "DET-03",
        "machines",
        Edit(
            "            value = weighted(model(inputs), states)\n            (value",
            "            noise = np.random.default_rng().standard_normal(inputs.shape)\n"
            "            value = weighted(model(inputs + 0.02 * torch.from_numpy(noise).float()), states)\n            (value",
        ),
    ),
    plant("DET-04", "digits tickets", Edit(_BUILT, "    torch.manual_seed(0)\n" + _BUILT)),
    plant(
        "DET-04",
        "machines",
        Edit("    torch.manual_seed(seed)\n", "    torch.manual_seed(0)\n"),
        Edit("torch.Generator().manual_seed(seed)", "torch.Generator().manual_seed(0)"),
    ),
]

PLANTED: list[Planted] = [*_OPTIMISER, *_LOSS, *_SCHEDULE, *_LOOP, *_PRECISION, *_SEEDS]
