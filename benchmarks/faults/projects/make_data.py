"""Writes the data files of the projects again: `python -m benchmarks.faults.projects.make_data`.

From what ships with scikit-learn: the digits, the diabetes patients, and the texts that describe its data sets. The tickets, the
questions and the machines are made up, from fixed seeds.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn import datasets

HERE = Path(__file__).parent

TOPICS = {
    "billing": "invoice charged twice payment card refund amount receipt tax discount subscription price bank transfer",
    "delivery": "parcel courier address late arrived tracking shipped lost box door neighbour depot customs driver",
    "login": "password account locked email code browser session reset verify username device token sign expired",
    "warranty": "broken screen battery repair replace scratch charger noise button hinge cracked defect cable heat",
}
FILLERS = [
    *("please", "help", "me", "with", "the", "my", "order", "again", "since", "yesterday", "still"),
    *("no", "answer", "hello", "thanks", "i", "need", "to", "know", "why", "it", "is"),
]
ANSWERS = [
    "how to change the delivery address of an order",
    "where to find the invoice for a purchase",
    "how to reset a forgotten password",
    "when a refund reaches the bank account",
    "how to return a damaged product",
    "which countries the shop ships to",
    "how to cancel a running subscription",
    "what the warranty covers after a repair",
    "how to track a parcel on its way",
    "how to add a second user to the account",
    "why a credit card payment was declined",
    "how to redeem a gift voucher at checkout",
    "what to do when an item is missing",
    "how to update the app on a phone",
    "where to see the loyalty points earned",
    "how to delete all personal data",
]
SYNONYMS = {
    "change": "modify alter edit", "find": "see locate get", "reset": "recover renew restore",
    "refund": "repayment reimbursement",
    "return": "send-back exchange",
    "ships": "delivers sends", "cancel": "end stop quit", "covers": "includes protects",
    "track": "follow trace", "add": "include invite", "declined": "rejected refused", "redeem": "use apply",
    "missing": "lost absent", "update": "upgrade refresh", "points": "bonus credits", "delete": "erase remove",
    "address": "street destination", "invoice": "bill receipt", "password": "passcode login", "bank": "giro",
    "damaged": "broken defective", "countries": "regions places", "subscription": "plan membership", "warranty": "guarantee",
    "parcel": "package shipment", "user": "member colleague", "payment": "transaction charge", "voucher": "coupon card",
    "item": "article piece", "app": "application program", "loyalty": "reward", "personal": "private own",
}  # fmt: skip


def digits() -> None:
    """1,797 images of 64 pixels from 0 to 16."""
    pixels, targets = datasets.load_digits(return_X_y=True)
    for name in ("digits", "cnn"):
        np.savez_compressed(HERE / name / "digits.npz", pixels=pixels.astype(np.uint8), digits=targets.astype(np.uint8))


def diabetes() -> None:
    """442 patients as they were measured, with some blood values that were not taken."""
    table = datasets.load_diabetes(as_frame=True, scaled=False).frame.rename(columns={"target": "progression"})
    draw = np.random.default_rng(1)
    for column in ("s3", "s5"):
        table.loc[draw.random(len(table)) < 0.08, column] = np.nan
    table["sex"] = table["sex"].map({1.0: "female", 2.0: "male"})
    table.to_csv(HERE / "diabetes" / "patients.csv", index=False)


def tickets() -> None:
    """1,400 tickets of customers with their topic; a few were never labelled."""
    draw = np.random.default_rng(2)
    names = list(TOPICS)
    rows = []
    for number in range(1400):
        topic = names[draw.choice(4, p=[0.3, 0.3, 0.25, 0.15])]
        length = int(draw.integers(5, 22))
        own = TOPICS[topic].split()
        other = TOPICS[names[draw.integers(4)]].split()
        words = [
            str(draw.choice(own if (u := draw.random()) < 0.26 else other if u < 0.4 else FILLERS))
            for _ in range(length)
        ]
        channel = ("web", "mail", "phone")[draw.choice(3, p=[0.5, 0.3, 0.2])]
        rows.append((number, channel, " ".join(words), "" if draw.random() < 0.06 else topic))
    pd.DataFrame(rows, columns=["ticket", "channel", "text", "topic"]).drop_duplicates("text").to_csv(
        HERE / "tickets" / "tickets.csv", index=False
    )


def questions() -> None:
    """Questions in the words of customers, each with the answer of the help pages that it is about."""
    draw = np.random.default_rng(3)
    rows: dict[str, str] = {}
    for answer in ANSWERS:
        made = 0
        while made < 45:
            words = []
            for word in answer.split():
                others = SYNONYMS.get(word, "").split()
                if len(word) < 4 and draw.random() < 0.5:
                    continue
                words.append(str(draw.choice([word, *others])))
            words += [str(draw.choice(FILLERS)) for _ in range(int(draw.integers(2, 9)))]
            question = " ".join(str(word) for word in draw.permutation(words))
            if question not in rows:
                rows[question] = answer
                made += 1
    shuffled = pd.DataFrame(list(rows.items()), columns=["question", "answer"]).sample(frac=1.0, random_state=3)
    shuffled.to_csv(HERE / "faq" / "questions.csv", index=False)
    (HERE / "faq" / "answers.txt").write_text("\n".join(ANSWERS) + "\n", encoding="utf-8")


def characters() -> None:
    """The sentences of the descriptions of scikit-learn's data sets, in small letters."""
    loaders = (datasets.load_iris, datasets.load_wine, datasets.load_breast_cancer, datasets.load_diabetes,
               datasets.load_digits, datasets.load_linnerud)  # fmt: skip
    text = " ".join(loader().DESCR for loader in loaders).lower()
    text = re.sub(r"[^a-z0-9 .,]+", " ", text)
    sentences = [" ".join(part.split()) for part in re.split(r"\.\s+", text)]
    lines: dict[str, None] = {}
    for sentence in sentences:
        words = sentence.split()
        for begin in range(0, len(words), 6):
            line = " ".join(words[begin : begin + 6])[:40]
            if len(line) >= 8 and not re.fullmatch(r"[0-9 .,]+", line):
                lines[line] = None
    (HERE / "characters" / "lines.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def machines() -> None:
    """Days of machines in two plants with what became of them; failing ones are rare, some were never looked at."""
    draw = np.random.default_rng(4)
    count = 1400
    day = np.sort(draw.integers(0, 360, size=count))
    load = draw.normal(60, 15, size=count)
    temperature = 40 + 0.3 * load + draw.normal(0, 6, size=count)
    vibration = np.exp(draw.normal(0.2, 0.5, size=count))
    pressure = draw.normal(5, 0.8, size=count)
    hours = draw.integers(10, 5000, size=count).astype(float)
    wear = (0.045 * (temperature - 58) + 0.9 * np.log(vibration) + 0.0006 * (hours - 2500) - 0.4 * (pressure - 5)
            + 0.015 * (load - 60) + 0.5 * np.sin(3 * vibration))  # fmt: skip
    wear += draw.normal(0, 0.35, size=count)
    order = np.argsort(np.argsort(wear)) / count
    state = np.where(order < 0.6, "good", np.where(order < 0.92, "worn", "xfailing"))
    table = pd.DataFrame(
        {
            "day": day,
            "plant": np.where(draw.random(count) < 0.3, "north", "south"),
            "load": load.round(1),
            "temperature": temperature.round(1),
            "vibration": vibration.round(3),
            "pressure": pressure.round(2),
            "hours": hours,
            "state": np.where(draw.random(count) < 0.05, "unseen", state),
        }
    )
    table.loc[draw.random(count) < 0.07, "pressure"] = np.nan
    table["state"] = table["state"].replace("xfailing", "worn-out")
    table.to_csv(HERE / "machines" / "machines.csv", index=False)


if __name__ == "__main__":
    for write in (digits, diabetes, tickets, questions, characters, machines):
        write()
