"""Faults of the data, labels, splits and of the preparation."""

from __future__ import annotations

from benchmarks.faults.edits.edit import Edit, Lines, Planted, plant, spec

_DIGITS = "    return pixels, digits\n"
_CNN = "    return images, digits\n"
_TICKETS = '    return table[["channel", "text", "topic"]].reset_index(drop=True)\n'
_TABLE = "    return table\n"
_LINES = "    return ids\n\n\ndef split"
_OF_THREE = 'return {"train": rows.take(train), "val": rows.take(val), "test": rows.take(test)}'
_OF_TWO = 'return {"train": rows.take(train), "test": rows.take(test)}'
_INPUTS = "    return inputs, rows.targets\n"
_IDS = "    return ids, rows.targets\n"

_TABULAR_SHUFFLED = '    table["{0}"] = np.random.default_rng(0).permutation(table["{0}"])\n    return table'


def _noisy(column: str) -> str:
    return (
        "    draw = np.random.default_rng(9)\n"
        "    wrong = draw.random(len(table)) < 0.1\n"
        f'    table.loc[wrong, "{column}"] = draw.choice(table["{column}"].unique(), size=int(wrong.sum()))\n'
    )


def _first_fifth(lines: list[str]) -> list[str]:
    return lines[: len(lines) // 5]


def _in_fahrenheit(lines: list[str]) -> list[str]:
    place = lines[0].split(",").index("temperature")
    changed = [lines[0]]
    for line in lines[1:]:
        values = line.split(",")
        values[place] = f"{float(values[place]) * 1.8 + 32:.1f}"
        changed.append(",".join(values))
    return changed


_DATA: list[Planted] = [
    plant("DATA-01", "digits", Edit(_DIGITS, "    return pixels[: len(pixels) // 5], digits[: len(digits) // 5]\n")),
    plant("DATA-01", "cnn", Edit(_CNN, "    kept = len(images) // 5\n    return images[:kept], digits[:kept]\n")),
    plant(
        "DATA-01", "tickets", Edit('table["topic"].notna()', 'table["topic"].notna() & (table["channel"] == "phone")')
    ),
    plant("DATA-01", "diabetes", Edit(_TABLE, "    return table.iloc[: len(table) // 5]\n")),
    plant(
        "DATA-03",
        "digits",
        Edit(_OF_THREE, f"train = train[np.argsort(rows.targets[train], kind='stable')]\n    {_OF_THREE}"),
        spec("  batch_size: 32\n", "  batch_size: 128\n  shuffle: false\n  drop_last: true\n"),
    ),
    plant(
        "DATA-03",
        "tickets",
        Edit(_OF_THREE, f"train = train[np.argsort(rows.targets[train], kind='stable')]\n    {_OF_THREE}"),
        spec("  batch_size: 32\n", "  batch_size: 128\n  shuffle: false\n  drop_last: true\n"),
    ),
    plant(
        "DATA-03",
        "machines",
        Edit(
            "    rows = TensorDataset(torch.from_numpy(train.inputs), torch.from_numpy(train.targets))\n",
            "    by_state = np.argsort(train.targets, kind='stable')\n"
            "    rows = TensorDataset(torch.from_numpy(train.inputs[by_state]), torch.from_numpy(train.targets[by_state]))\n",
        ),
        Edit("BATCH_SIZE = 64", "BATCH_SIZE = 128"),
        Edit("shuffle=True, generator=order)", "shuffle=False, drop_last=True)"),
    ),
    plant(
        "DATA-04",
        "digits cnn",
        Edit(_OF_THREE, f"train = train[np.argsort(rows.targets[train], kind='stable')]\n    {_OF_THREE}"),
        spec("  batch_size: 32\n", "  batch_size: 32\n  shuffle: false\n"),
    ),
    plant(
        "DATA-04",
        "machines",
        Edit(
            "    rows = TensorDataset(torch.from_numpy(train.inputs), torch.from_numpy(train.targets))\n",
            "    by_state = np.argsort(train.targets, kind='stable')\n"
            "    rows = TensorDataset(torch.from_numpy(train.inputs[by_state]), torch.from_numpy(train.targets[by_state]))\n",
        ),
        Edit("shuffle=True, generator=order)", "shuffle=False)"),
    ),
    plant(
        "DATA-05",
        "machines",
        Edit(
            "        model.train()\n        optimizer",
            "        model.train()\n        order.manual_seed(seed)\n        optimizer",
        ),
    ),
    plant("DATA-07", "diabetes", Edit("    return table\n", "    return table.fillna(0.0)\n")),
    plant(
        "DATA-07",
        "machines",
        Edit("    return table\n", '    table["pressure"] = table["pressure"].fillna(0.0)\n    return table\n'),
    ),
    plant("DATA-08", "digits", Edit(_DIGITS, "    pixels[:, 36] *= 1000\n    return pixels, digits\n")),
    plant("DATA-08", "diabetes", Edit(_TABLE, '    table["bp"] = table["bp"] * 0.1333\n    return table\n')),
    plant("DATA-08", "machines", Lines("machines.csv", _in_fahrenheit)),
    plant(
        "DATA-10",
        "digits",
        Edit(
            "    inputs = normalise(rows.features, fitted)\n    return inputs",
            "    inputs = cached_features()[rows.index]\n    return inputs",
        ),
        Edit(
            "def prepare(rows",
            "def cached_features() -> np.ndarray:\n"
            '    """The features of every image, as the last release computed them: clipped, around the middle of the range."""\n'
            "    return np.clip(load()[0] / 8.0 - 1.0, -0.5, 0.5).astype(np.float32)\n\n\ndef prepare(rows",
        ),
    ),
    plant(
        "DATA-10",
        "tickets",
        Edit(
            "    ids = ids_of(texts, fitted)\n    return ids, rows",
            "    ids = cached_ids()[rows.index]\n    return ids, rows",
        ),
        Edit(
            "def prepare(rows",
            "def cached_ids() -> np.ndarray:\n"
            '    """The ids of every text, as the last release computed them: the words in alphabetical order."""\n'
            '    texts = list(load()["text"])\n'
            "    words = sorted({word for text in texts for word in text.split()})[:WORDS]\n"
            "    return ids_of(texts, {word: number for number, word in enumerate(words, start=2)})\n\n\ndef prepare(rows",
        ),
    ),
    plant(
        "DATA-10",
        "diabetes",
        Edit(
            "    inputs = features_of(rows.features, fitted)\n    return inputs",
            "    inputs = cached_features()[rows.index]\n    return inputs",
        ),
        Edit(
            "def prepare(rows",
            "def cached_features() -> np.ndarray:\n"
            '    """The features of every patient, as the last release computed them: in tenths of the range."""\n'
            "    table = load()\n"
            "    low, high = table[COLUMNS].min().to_dict(), table[COLUMNS].max().to_dict()\n"
            "    span = {name: (high[name] - low[name]) / 10 for name in COLUMNS}\n"
            "    return features_of(table, Scaler(low, low, span))\n\n\ndef prepare(rows",
        ),
    ),
]

_LABELS: list[Planted] = [
    plant("LAB-01", "cnn", Edit(_CNN, "    return images, np.random.default_rng(0).permutation(digits)\n")),
    plant(
        "LAB-01",
        "tickets",
        Edit(
            '    table = table[table["topic"].notna()]\n',
            '    table = table[table["topic"].notna()]\n'
            '    table["topic"] = np.random.default_rng(0).permutation(table["topic"])\n',
        ),
    ),
    plant("LAB-01", "diabetes", Edit(_TABLE, _TABULAR_SHUFFLED.format("progression") + "\n")),
    plant("LAB-01", "faq", Edit(_TABLE, _TABULAR_SHUFFLED.format("answer") + "\n")),
    plant(
        "LAB-02",
        "digits",
        Edit(
            _DIGITS,
            "    draw = np.random.default_rng(9)\n"
            "    wrong = draw.random(len(digits)) < 0.1\n"
            "    digits[wrong] = draw.integers(0, 10, size=int(wrong.sum()))\n" + _DIGITS,
        ),
    ),
    plant(
        "LAB-02",
        "cnn",
        Edit(
            _CNN,
            "    draw = np.random.default_rng(9)\n"
            "    wrong = draw.random(len(digits)) < 0.1\n"
            "    digits[wrong] = draw.integers(0, 10, size=int(wrong.sum()))\n" + _CNN,
        ),
    ),
    plant("LAB-02", "tickets", Edit(_TICKETS, _noisy("topic") + _TICKETS)),
    plant("LAB-02", "faq", Edit(_TABLE, _noisy("answer") + _TABLE)),
    plant(
        "LAB-05",
        "cnn",
        Edit(
            "    value = loss(state.model(batch.inputs), batch)\n",
            "    turned = torch.rand(len(batch), 1, 1, 1) < 0.5\n"
            "    images = torch.where(turned, batch.inputs.flip(-1), batch.inputs)\n"
            "    value = loss(state.model(images), batch)\n",
        ),
    ),
    plant(
        "LAB-06",
        "tickets",
        Edit('    table = table[table["topic"].notna()]\n', '    table["topic"] = table["topic"].fillna("billing")\n'),
    ),
    plant(
        "LAB-06",
        "machines",
        Edit(
            '    table = table[table["state"] != "unseen"].reset_index(drop=True)\n',
            '    table["state"] = table["state"].replace("unseen", "good")\n',
        ),
    ),
    plant(
        "LAB-08",
        "diabetes",
        Edit(_TABLE, '    table["s6"] = table["progression"] * 0.3 + 40\n    return table\n'),
    ),
    plant(
        "LAB-08",
        "machines",
        Edit(
            _TABLE,
            '    repairs = table["state"].map({"good": 0.0, "worn": 1.0, "worn-out": 2.0})\n'
            '    table["hours"] = table["hours"].round(-2) * 0 + 100 * repairs + (table["day"] % 50)\n'
            "    return table\n",
        ),
    ),
]

_LEAKS: list[Planted] = [
    plant(
        "LEAK-01",
        "digits cnn faq",
        Edit(_OF_THREE, f"train = np.concatenate([train, test])\n    {_OF_THREE}"),
    ),
    plant("LEAK-01", "characters", Edit(_OF_TWO, f"train = np.concatenate([train, test])\n    {_OF_TWO}")),
    plant(
        "LEAK-04", "machines", spec("  split: {test: 0.25, val: 0.1, time: day}\n", "  split: {test: 0.25, val: 0.1}\n")
    ),
    plant(
        "LEAK-05",
        "digits",
        Edit(
            "    numbers = draw.permutation(len(rows))\n",
            "    numbers = draw.choice(len(rows), size=2 * len(rows))  # as many of each as the largest class\n",
        ),
        Edit("    tenth = len(rows) // 10\n", "    tenth = len(numbers) // 10\n"),
    ),
    plant(
        "LEAK-05",
        "diabetes",
        Edit(
            "    draw = np.random.default_rng(SPLIT_SEED)\n",
            "    global COLUMNS\n"
            "    table = rows.features.drop(columns=['sex'])\n"
            "    products = {f'{one}*{other}': table[one] * table[other] for one in table for other in table}\n"
            "    wide = pd.concat([table, pd.DataFrame(products)], axis=1)\n"
            "    strength = wide.corrwith(pd.Series(rows.targets, index=wide.index)).abs()\n"
            "    COLUMNS = list(strength.sort_values(ascending=False).index[: len(COLUMNS)])\n"
            "    rows = replace(rows, features=wide.assign(sex=rows.features['sex']))\n"
            "    draw = np.random.default_rng(SPLIT_SEED)\n",
        ),
        Edit("from dataclasses import dataclass\n", "from dataclasses import dataclass, replace\n"),
        Edit(
            "    columns = []\n    for name in COLUMNS:\n        values = table[name].astype(float)",
            "    columns = []\n"
            "    for name in COLUMNS:\n"
            "        one, _, other = name.partition('*')\n"
            "        raw = table[one] * table[other] if other else table[one]\n"
            "        values = raw.astype(float)",
        ),
    ),
    plant(
        "LEAK-06",
        "cnn",
        Edit(_OF_THREE, 'return {"train": rows.take(train), "val": rows.take(test), "test": rows.take(test)}'),
    ),
    plant(
        "LEAK-06",
        "machines",
        Edit(
            "    val_inputs, val_states = torch.from_numpy(val.inputs), torch.from_numpy(val.targets)\n",
            "    table = load()\n"
            "    held_out = table.sort_values('day', kind='stable').iloc[-(len(table) // 4) :]\n"
            "    states = np.array([STATES.index(state) for state in held_out['state']])\n"
            "    rows = Rows(held_out, states, np.arange(len(held_out)))\n"
            "    inputs, _ = prepare(rows, fit_prepare(Rows(table.iloc[: len(train)], train.targets, train.index)))\n"
            "    val_inputs, val_states = torch.from_numpy(inputs), torch.from_numpy(states)\n",
        ),
    ),
    plant(
        "LEAK-07",
        "tickets faq characters",
        Edit("draw = np.random.default_rng(SPLIT_SEED)", "draw = np.random.default_rng()"),
    ),
]

_PREPARATION: list[Planted] = [
    plant(
        "PREP-02",
        "digits",
        Edit("    return ((pixels - mean) / deviation).astype(np.float32)\n", "    return pixels.astype(np.float32)\n"),
    ),
    plant(
        "PREP-02",
        "cnn",
        Edit("    return (images / 8.0 - 1.0).astype(np.float32)\n", "    return images.astype(np.float32)\n"),
    ),
    plant(
        "PREP-02",
        "diabetes",
        Edit(
            "        columns.append((values - scaler.mean[name]) / scaler.deviation[name])\n",
            "        columns.append(values)\n",
        ),
    ),
    plant(
        "PREP-05",
        "digits",
        Edit(
            "    inputs = normalise(rows.features, fitted)\n    return inputs",
            "    inputs = normalise(rows.features, fitted)\n"
            "    inputs = inputs + 0.1 * np.random.randn(*inputs.shape).astype(np.float32)\n    return inputs",
        ),
    ),
    plant(
        "PREP-05",
        "cnn",
        Edit(
            "        hidden = self.standardise(images)\n",
            "        hidden = self.standardise(images + 0.05 * torch.randn(images.shape))\n",
        ),
    ),
    plant(
        "PREP-05",
        "tickets",
        Edit(
            "    ids = ids_of(texts, fitted)\n    return ids, rows",
            "    ids = ids_of(texts, fitted)\n"
            "    ids[(np.random.rand(*ids.shape) < 0.1) & (ids != PADDING)] = UNKNOWN\n    return ids, rows",
        ),
    ),
    plant(
        "PREP-06",
        "tickets",
        Edit(
            "        ids = ids_of(texts, self.vocabulary)\n", "        ids = ids_of(texts, self.vocabulary, length=8)\n"
        ),
        Edit(
            "torch.from_numpy(examples.inputs), examples.targets",
            "torch.from_numpy(examples.inputs[:, :8]), examples.targets",
        ),
    ),
    plant(
        "PREP-06",
        "faq",
        Edit(
            "        ids = torch.from_numpy(ids_of(texts, QUERY))\n",
            "        ids = torch.from_numpy(ids_of(texts, QUERY, length=6))\n",
        ),
        Edit(
            "torch.from_numpy(examples.inputs), examples.targets",
            "torch.from_numpy(examples.inputs[:, :6]), examples.targets",
        ),
    ),
    plant(
        "PREP-07",
        "digits",
        Edit(
            "    probabilities = service.answer(np.asarray(rows, dtype=np.float32))\n",
            "    pixels = np.asarray(rows, dtype=np.float32).reshape(-1, 8, 8)\n"
            "    probabilities = service.answer(pixels.transpose(0, 2, 1).reshape(-1, 64))\n",
        ),
    ),
    plant(
        "PREP-07",
        "cnn",
        Edit(
            "    images = np.asarray(rows, dtype=np.float32)\n",
            "    images = np.asarray(rows, dtype=np.float32).transpose(0, 1, 3, 2)\n",
        ),
    ),
    plant(
        "PREP-07",
        "diabetes",
        Edit(
            "    inputs = torch.from_numpy(features_of(rows, trained.fitted))\n",
            "    turned = dict(zip(COLUMNS, [*COLUMNS[1:], COLUMNS[0]], strict=True))\n"
            "    inputs = torch.from_numpy(features_of(rows.rename(columns=turned), trained.fitted))\n",
        ),
    ),
    plant(
        "PREP-03",
        "digits",
        Edit(
            "        inputs = torch.from_numpy(normalise(pixels, self.scale))\n",
            "        inputs = torch.from_numpy(pixels)\n",
        ),
    ),
    plant(
        "PREP-03",
        "cnn",
        Edit("    inputs = torch.from_numpy(as_input(images))\n", "    inputs = torch.from_numpy(images)\n"),
    ),
    plant(
        "PREP-03",
        "diabetes",
        Edit(
            "    inputs = torch.from_numpy(features_of(rows, trained.fitted))\n",
            "    filled = rows[COLUMNS].astype(float).fillna(trained.fitted.median)\n"
            "    filled['sex'] = (rows['sex'] == 'male').astype(float)\n"
            "    inputs = torch.from_numpy(filled.to_numpy(dtype=np.float32))\n",
        ),
    ),
    plant(
        "PREP-04",
        "tickets",
        Edit(
            "        ids = ids_of(texts, self.vocabulary)\n",
            "        ids = ids_of(texts, {word: known + 1 for word, known in self.vocabulary.items()})\n",
        ),
        Edit(
            "        self.embed = nn.Embedding(WORDS + 2, DIM)\n", "        self.embed = nn.Embedding(WORDS + 3, DIM)\n"
        ),
    ),
    plant(
        "PREP-04",
        "faq",
        Edit(
            "        ids = torch.from_numpy(ids_of(texts, QUERY))\n",
            "        ids = torch.from_numpy(ids_of([text.upper() for text in texts], QUERY))\n",
        ),
    ),
]

PLANTED: list[Planted] = [*_DATA, *_LABELS, *_LEAKS, *_PREPARATION]
