"""Faults of the architecture, the initialisation, and of embeddings."""

from __future__ import annotations

from benchmarks.faults.edits.edit import Edit, Planted, plant

_BUILT = "    return model\n\n\n"
_MATCHER = "    model = Matcher()\n"
_NETWORK = "    model = Network()\n"
_ACTIVATED = "        hidden = functional.relu(self.second(hidden))\n"
_DROPPED = "        logits: Tensor = self.out(self.dropout(hidden))\n"
_LOGITS = "        return logits\n"


def _after(network: str, then: str) -> Edit:
    return Edit(network, network + then)


_ARCHITECTURE: list[Planted] = [
    plant("ARCH-01", "faq", _after(_MATCHER, "    model.encoder.hidden.requires_grad_(False)\n")),
    plant("ARCH-01", "characters", _after(_NETWORK, "    model.attention.requires_grad_(False)\n")),
    plant("ARCH-01", "machines", _after(_NETWORK, "    model.first.requires_grad_(False)\n")),
    plant(
        "ARCH-04",
        "tickets",
        Edit("        hidden = functional.relu(self.hidden(pooled))\n", "        hidden = self.hidden(pooled)\n"),
    ),
    plant(
        "ARCH-04",
        "faq",
        Edit("        hidden = functional.gelu(self.hidden(pooled))\n", "        hidden = self.hidden(pooled)\n"),
    ),
    plant(
        "ARCH-04",
        "characters",
        Edit(
            "        hidden = functional.relu(self.wide(self.norm(states)))\n",
            "        hidden = self.wide(self.norm(states))\n",
        ),
    ),
    plant(
        "ARCH-05",
        "diabetes",
        Edit("        return CENTRE + SPREAD * values\n", "        return CENTRE + SPREAD * functional.relu(values)\n"),
    ),
    plant("ARCH-05", "characters machines", Edit(_LOGITS, "        return functional.relu(logits)\n")),
    plant(
        "ARCH-06",
        "cnn",
        Edit(
            "        hidden = functional.max_pool2d(hidden, 2).flatten(1)\n",
            "        hidden = functional.max_pool2d(hidden, 2).flatten(1)\n        hidden = hidden - hidden.mean(0)\n",
        ),
    ),
    plant(
        "ARCH-06",
        "tickets",
        Edit(
            "        hidden = functional.relu(self.hidden(pooled))\n",
            "        pooled = pooled - pooled.mean(0)\n        hidden = functional.relu(self.hidden(pooled))\n",
        ),
    ),
    plant(
        "ARCH-06",
        "faq",
        Edit(
            "        questions = self.encoder(ids)\n        answers",
            "        questions = self.encoder(ids)\n        questions = questions - questions.mean(0)\n        answers",
        ),
    ),
    plant(
        "ARCH-06",
        "characters",
        Edit(
            "        states = states + self.attention(states)\n",
            "        states = states - states.mean(0)\n        states = states + self.attention(states)\n",
        ),
    ),
    plant(
        "ARCH-07",
        "digits",
        Edit(_ACTIVATED, _ACTIVATED + "        hidden = hidden * len(hidden) * functional.softmax(hidden, dim=0)\n"),
    ),
    plant(
        "ARCH-07",
        "tickets",
        Edit(
            "        logits: Tensor = self.out(self.dropout(hidden))\n",
            "        hidden = hidden * len(hidden) * functional.softmax(hidden, dim=0)\n"
            "        logits: Tensor = self.out(self.dropout(hidden))\n",
        ),
    ),
    plant(
        "ARCH-07",
        "faq",
        Edit(
            "        embeddings: Tensor = self.project(hidden)\n",
            "        hidden = hidden * len(hidden) * functional.softmax(hidden, dim=0)\n"
            "        embeddings: Tensor = self.project(hidden)\n",
        ),
    ),
    plant(
        "ARCH-07",
        "characters",
        Edit("functional.softmax(scores, dim=2)", "functional.softmax(scores.nan_to_num(neginf=-1e9), dim=0)"),
    ),
    plant("ARCH-09", "cnn", Edit("DROPOUT = 0.1\n", "DROPOUT = 0.9\n")),
    plant(
        "ARCH-09",
        "diabetes",
        Edit(
            "        values: Tensor = self.out(hidden).squeeze(1)\n",
            "        values: Tensor = self.out(self.dropout(hidden)).squeeze(1)\n",
        ),
        Edit(
            "        self.out = nn.Linear(HIDDEN, 1)\n",
            "        self.dropout = nn.Dropout(0.9)\n        self.out = nn.Linear(HIDDEN, 1)\n",
        ),
    ),
    plant(
        "ARCH-09",
        "characters",
        Edit(
            "        states = states + self.dropout(self.narrow(hidden))\n",
            "        states = self.dropout(states + self.narrow(hidden))\n",
        ),
        Edit("DROPOUT = 0.05\n", "DROPOUT = 0.9\n"),
    ),
    plant(
        "ARCH-10",
        "machines",
        Edit(_DROPPED, "        logits: Tensor = self.out(functional.dropout(hidden, DROPOUT))\n"),
    ),
    plant(
        "ARCH-10",
        "diabetes",
        Edit(
            "        values: Tensor = self.out(hidden).squeeze(1)\n",
            "        values: Tensor = self.out(functional.dropout(hidden, 0.1)).squeeze(1)\n",
        ),
    ),
    plant(
        "ARCH-10",
        "faq",
        Edit(
            "        embeddings: Tensor = self.project(hidden)\n",
            "        embeddings: Tensor = self.project(functional.dropout(hidden, 0.1))\n",
        ),
    ),
    plant(
        "ARCH-10",
        "characters",
        Edit("self.dropout(self.narrow(hidden))", "functional.dropout(self.narrow(hidden), DROPOUT)"),
    ),
    plant(
        "ARCH-13",
        "cnn",
        Edit(
            'return {"train": rows.take(train), "val"',
            'train = train[: len(train) // 32 * 32 + 1]\n    return {"train": rows.take(train), "val"',
        ),
    ),
    plant(
        "ARCH-13",
        "machines",
        Edit(
            "    rows = TensorDataset(torch.from_numpy(train.inputs), torch.from_numpy(train.targets))\n",
            "    whole = len(train) // BATCH_SIZE * BATCH_SIZE + 1\n"
            "    rows = TensorDataset(torch.from_numpy(train.inputs[:whole]), torch.from_numpy(train.targets[:whole]))\n",
        ),
    ),
    plant(
        "ARCH-14",
        "digits",
        Edit(
            "        self.out = nn.Linear(HIDDEN, len(CLASSES))\n",
            "        self.out = nn.Sequential(nn.Linear(HIDDEN, 1), nn.Linear(1, len(CLASSES)))\n",
        ),
    ),
    plant(
        "ARCH-14",
        "faq",
        Edit(
            "        self.project = nn.Linear(2 * DIM, DIM)\n",
            "        self.project = nn.Sequential(nn.Linear(2 * DIM, 1), nn.Linear(1, DIM))\n",
        ),
    ),
    plant(
        "ARCH-14",
        "characters",
        Edit(
            "        self.out = nn.Linear(DIM, len(ALPHABET) + 1)\n",
            "        self.out = nn.Sequential(nn.Linear(DIM, 1), nn.Linear(1, len(ALPHABET) + 1))\n",
        ),
    ),
    plant("ARCH-15", "digits", Edit("nn.Linear(HIDDEN, len(CLASSES))", "nn.Linear(HIDDEN, len(CLASSES), bias=False)")),
    plant("ARCH-15", "tickets", Edit("nn.Linear(DIM, len(TOPICS))", "nn.Linear(DIM, len(TOPICS), bias=False)")),
    plant("ARCH-15", "diabetes", Edit("nn.Linear(HIDDEN, 1)", "nn.Linear(HIDDEN, 1, bias=False)")),
    plant(
        "ARCH-16",
        "characters",
        Edit('        scores = scores.masked_fill(later, float("-inf"))\n', "        scores = scores - 0.0 * later\n"),
    ),
]

_EMBEDDINGS: list[Planted] = [
    plant(
        "ARCH-11",
        "tickets faq",
        Edit(
            "        pooled = (words * there).sum(dim=1) / there.sum(dim=1).clamp(min=1)\n",
            "        pooled = words.mean(dim=1)\n",
        ),
        Edit("        there = (ids != PADDING).unsqueeze(2).to(self.embed.weight.dtype)\n", ""),
    ),
    plant(
        "EMB-01", "faq", Edit("        return functional.normalize(embeddings, dim=1)\n", "        return embeddings\n")
    ),
    plant(
        "EMB-02",
        "faq",
        Edit(
            "        ids = torch.from_numpy(ids_of(texts, QUERY))\n",
            "        ids = torch.from_numpy(ids_of(texts, PASSAGE))\n",
        ),
    ),
    plant(
        "EMB-05",
        "faq",
        Edit('    nearness = nearness.masked_fill(same & ~itself, float("-inf"))\n', ""),
        Edit(
            "    same = answers.unsqueeze(0) == answers.unsqueeze(1)\n    itself = torch.eye(len(answers), dtype=torch.bool)\n",
            "",
        ),
    ),
    plant(
        "EMB-07",
        "faq",
        Edit(
            "functional.normalize(encoder(torch.from_numpy(ids_of(ANSWERS, PASSAGE))), dim=1)",
            "functional.normalize(build_model().encoder(torch.from_numpy(ids_of(ANSWERS, PASSAGE))), dim=1)",
        ),
    ),
]

_ZEROS = "    for weight in model.parameters():\n        nn.init.zeros_(weight)\n"

_INITIALISATION: list[Planted] = [
    plant("INIT-01", "digits cnn characters", _after(_NETWORK, _ZEROS)),
    plant("INIT-01", "diabetes", _after(_NETWORK, _ZEROS)),
    plant("INIT-02", "digits", _after(_NETWORK, "    nn.init.constant_(model.first.bias, -8.0)\n")),
    plant("INIT-02", "cnn", _after(_NETWORK, "    nn.init.constant_(model.second_norm.bias, -8.0)\n")),
    plant("INIT-02", "characters", _after(_NETWORK, "    nn.init.constant_(model.wide.bias, -8.0)\n")),
    plant("INIT-02", "machines", _after(_NETWORK, "    nn.init.constant_(model.second.bias, -8.0)\n")),
    plant("INIT-03", "digits tickets characters", _after(_NETWORK, "    model.out.weight.data *= 50\n")),
]

PLANTED: list[Planted] = [*_ARCHITECTURE, *_EMBEDDINGS, *_INITIALISATION]
