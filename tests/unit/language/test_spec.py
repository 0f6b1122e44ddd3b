"""The types of the language are strict: nothing is taken for what it is not, and each refusal says what is needed."""

from __future__ import annotations

from pathlib import Path

import pytest
from churn_spec import told
from pydantic import ValidationError

from pytest_mlspec.language.spec import Bound, CheckUse, Limits, RecipeUse, Spec, Training, Use

SMALLEST = {"mlspec": 1, "name": "smallest"}


def test_every_default_is_what_the_reference_says() -> None:
    """A spec that says nothing has these values."""
    spec = Spec.model_validate(SMALLEST)

    assert (spec.tags, spec.inputs, spec.checks, dict(spec.gates)) == ((), (), (), {})
    assert spec.limits == Limits(time="600s")  # type: ignore[arg-type]
    assert spec.train == Training(
        engine=Use(use="torch"),
        optimizer=Use(use="adamw", arguments={"lr": 1e-3}),
        epochs=10,
        batch_size=64,
        accumulate=1,
        shuffle=True,
        precision="auto",
        device="auto",
        seed=0,
    )


def test_a_name_stands_for_a_mapping_with_use() -> None:
    """Wherever a mapping with `use` may stand."""
    spec = Spec.model_validate(
        {
            **SMALLEST,
            "task": "binary",
            "data": {"source": "sklearn.wine", "prepare": "none"},
            "model": "mlp",
            "recipe": "team.recipe",
            "train": {"optimizer": "sgd"},
        }
    )

    assert spec.task is not None
    assert spec.task.use == "binary"
    assert spec.data is not None
    assert (spec.data.source, spec.data.prepare) == (Use(use="sklearn.wine"), (Use(use="none"),))
    assert (spec.model, spec.train.optimizer) == (Use(use="mlp"), Use(use="sgd"))
    assert spec.recipe == RecipeUse(use="team.recipe")


def test_the_other_keys_of_a_use_are_its_arguments() -> None:
    """`use` is taken out."""
    spec = Spec.model_validate({**SMALLEST, "model": {"use": "team.net:Net", "width": 64}})

    assert spec.model == Use(use="team.net:Net", arguments={"width": 64})
    assert spec.model.is_path


@pytest.mark.parametrize(("written", "read"), [("5%", 0.05), (100, 100), (0.1, 0.1), ("soon", "soon")])
def test_the_warmup_of_a_schedule_may_be_a_percentage(written: object, read: object) -> None:
    """It becomes a share of the steps; what is none stays for the rules to refuse in its place."""
    train = Training.model_validate({"schedule": {"use": "cosine", "warmup": written}})

    assert train.schedule == Use(use="cosine", arguments={"warmup": read})


def test_the_users_own_schedule_takes_what_is_written() -> None:
    """Its arguments are the user's."""
    train = Training.model_validate({"schedule": {"use": "team.rates:rise", "warmup": "5%"}})

    assert train.schedule == Use(use="team.rates:rise", arguments={"warmup": "5%"})


def test_checks_are_names_parameters_and_skips() -> None:
    """One name or one mapping needs no list."""
    several = Spec.model_validate(
        {**SMALLEST, "checks": ["standard", {"overfit": {"steps": 9}}, {"skip": {"check": "resumes", "why": "slow"}}]}
    )
    one = Spec.model_validate({**SMALLEST, "checks": {"overfit": {"steps": 9}}})

    assert several.checks == (
        CheckUse(check="standard"),
        CheckUse(check="overfit", params={"steps": 9}),
        CheckUse(check="resumes", skip="slow"),
    )
    assert one.checks == (CheckUse(check="overfit", params={"steps": 9}),)


def test_the_pipeline_leaves_claims_and_limits_out() -> None:
    """What decides a training's result is in it with every default; another gate does not make another training."""
    spec = Spec.model_validate(
        {**SMALLEST, "tags": ["pr"], "checks": "standard", "gates": {"test.accuracy": {"at_least": 1}}}
    )

    assert spec.pipeline() == Spec.model_validate({**SMALLEST, "name": "another"}).pipeline()
    assert set(spec.pipeline()) == {"task", "data", "model", "train", "recipe", "inputs"}
    assert spec.pipeline()["train"]["epochs"] == 10


def test_a_spec_is_frozen() -> None:
    """Nothing changes it after it was read."""
    spec = Spec.model_validate(SMALLEST)

    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "name", ["a", "1", "wine-2", "digits_cnn.v2", "x" * 100, "churn[lr=0.001]", "a[lr=0.1, seed=1]"]
)
def test_names_are_words(name: str) -> None:
    """A variant of a matrix has its values in brackets."""
    assert Spec.model_validate({"mlspec": 1, "name": name}).name == name


@pytest.mark.parametrize("name", ["", " ", "-a", ".a", "a b", "a/b", "a::b", "é", "a\n", "x" * 101, "a[b]c", "a[]"])
def test_other_names_are_refused(tmp_path: Path, name: str) -> None:
    """A name is a part of a node id and of file names."""
    message = told(tmp_path, ("name: churn", f"name: {name!r}" if "\n" not in name else 'name: "a\\n"'))

    assert message.startswith("2:1  name: ")
    assert message.endswith(
        "is no name\n    write at most 100 letters, digits, '.', '_' and '-', a letter or digit first"
    )


@pytest.mark.parametrize("written", ["true", "2", "0", '"1"', "1.0", "one", ""])
def test_there_is_one_format(tmp_path: Path, written: str) -> None:
    """True is not 1, and neither is text."""
    message = told(tmp_path, ("mlspec: 1", f"mlspec: {written}"))

    assert message.startswith("1:1  mlspec: this version reads format 1, not ")
    assert message.endswith("\n    write `mlspec: 1`")


WRONG_TYPES = [
    ("epochs: 10", "epochs: ten", "11:3  train.epochs: a whole number is needed, not 'ten'"),
    ("epochs: 10", "epochs: 3.0", "11:3  train.epochs: a whole number is needed, not 3.0"),
    ("epochs: 10", "epochs: true", "11:3  train.epochs: a whole number is needed, not true"),
    ("epochs: 10", "epochs:", "11:3  train.epochs: a whole number is needed, not an empty value"),
    ("epochs: 10", "epochs: 0", "11:3  train.epochs: at least 1 is needed, not 0"),
    ("epochs: 10", "epochs: -3", "11:3  train.epochs: at least 1 is needed, not -3"),
    ("epochs: 10", "batch_size: 0", "11:3  train.batch_size: at least 1 is needed, not 0"),
    ("epochs: 10", "clip_norm: 0", "11:3  train.clip_norm: more than 0 is needed, not 0"),
    ("epochs: 10", "shuffle: no", "11:3  train.shuffle: true or false is needed, not 'no'"),
    ("epochs: 10", "shuffle: 1", "11:3  train.shuffle: true or false is needed, not 1"),
    ("epochs: 10", "seed: 4294967296", "11:3  train.seed: less than 4294967296 is needed, not 4294967296"),
    (
        "epochs: 10",
        "precision: bf61",
        "11:3  train.precision: 'bf61' is not known here\n    did you mean 'bf16'? allowed: auto, fp32, bf16",
    ),
    ("epochs: 10", "early_stop: 3", "11:3  train.early_stop: a mapping is needed, not 3"),
    ("test: 0.2", "test: 20%", "7:11  data.split.test: a number is needed, not '20%'"),
    ("test: 0.2", "test: true", "7:11  data.split.test: a number is needed, not true"),
    ("test: 0.2", "test: 1", "7:11  data.split.test: less than 1 is needed, not 1"),
    ("test: 0.2", "group: ''", "7:11  data.split.group: a text is needed, not ''"),
    ("target: churned", "target: [churned]", "6:3  data.target: a text is needed, not a list"),
    (
        "target: churned",
        "target: 1.10",
        "6:3  data.target: a text is needed, not 1.1\n    quote it if it is meant as text",
    ),
    ("name: churn", "name: 1.10", "2:1  name: a text is needed, not 1.1\n    quote it if it is meant as text"),
    (
        "task: binary",
        "task: binry",
        "3:1  task: 'binry' is not known here\n    did you mean 'binary'? allowed: binary, multiclass, regression",
    ),
    ("task: binary", "task: {positive: 1}", "3:1  task.use: this key is required"),
    (
        "task: binary",
        "task: {use: binary, positive: 1.5}",
        "3:21  task.positive: the label of a class (a text, a whole number, true or false) is needed, not 1.5",
    ),
    (
        "model: {use: mlp, hidden: [8]}",
        "model: {hidden: [8]}",
        "8:1  model: the key 'use' is missing\n    `use` names what the other keys are arguments of",
    ),
    (
        "model: {use: mlp, hidden: [8]}",
        "model: 5",
        "8:1  model: a name, or a mapping with the key 'use', is needed, not 5",
    ),
    ("model: {use: mlp, hidden: [8]}", "model: {use: 5}", "8:9  model.use: a text is needed, not 5"),
    ("task: binary", "tags: pr\ntask: binary", "3:1  tags: a list is needed, not 'pr'"),
    ("task: binary", "tags: [pr, '']\ntask: binary", "3:12  tags[1]: a text is needed, not ''"),
    ("task: binary", "limits: 30s\ntask: binary", "3:1  limits: a mapping is needed, not '30s'"),
    (
        "task: binary",
        "limits: {time: 30}\ntask: binary",
        "3:10  limits.time: 30 is not a duration\n    write a number with its unit (ms, s, min, h), such as 90s",
    ),
    ("task: binary", "limits: {time: 0s}\ntask: binary", "3:10  limits.time: more than 0 is needed, not '0s'"),
    (
        "task: binary",
        "limits: {memory: 2}\ntask: binary",
        "3:10  limits.memory: 2 is not a size\n    write a number with its unit (B, kB, MB, GB, TB), such as 1.5GB",
    ),
    ("at_least: 0.9", "at_least: true", "14:19  gates.test.accuracy.at_least: a number is needed, not true"),
    ("at_least: 0.9", "at_least: [0.9]", "14:19  gates.test.accuracy.at_least: a number is needed, not a list"),
    (
        "at_least: 0.9",
        "within: 0.9",
        "14:19  gates.test.accuracy.within: two numbers are needed, not 0.9\n    write within: [LOW, HIGH]",
    ),
    (
        "at_least: 0.9",
        "within: [0.9]",
        "14:19  gates.test.accuracy.within: two numbers are needed, not a list of 1\n    write within: [LOW, HIGH]",
    ),
    ("at_least: 0.9", "within: [0.9, ]", "14:19  gates.test.accuracy.within: two numbers are needed, not a list of 1"),
    ("at_least: 0.9", "within: [0.9, false]", "14:33  gates.test.accuracy.within[1]: a number is needed, not false"),
    (
        "at_least: 0.9",
        "better_than: baseline",
        "14:19  gates.test.accuracy.better_than: 'baseline' is not known here\n    allowed: dummy",
    ),
    (
        "at_least: 0.9",
        "better_than: dummy, by: -1",
        "14:39  gates.test.accuracy.by: at least 0 is needed, not -1",
    ),
    ("test.accuracy: {at_least: 0.9}", "test.accuracy: 0.9", "14:3  gates.test.accuracy: a mapping is needed, not 0.9"),
    (
        "checks: [standard]",
        "checks: 5",
        "12:1  checks: a list of checks is needed, not 5\n    write `standard`, or a list",
    ),
    (
        "[standard]",
        "[standard, 5]",
        "12:20  checks[1]: a check is a name or {NAME: {PARAMETER: VALUE, …}}, not 5",
    ),
    (
        "[standard]",
        "[{skip: {check: data}}]",
        "12:10  checks[0]: a skip names the check and says why\n    write {skip: {check: NAME, why: REASON}}",
    ),
    (
        "[standard]",
        "[{skip: {check: data, why: ' '}}]",
        "12:10  checks[0]: the reason of a skip is empty\n    write {skip: {check: NAME, why: REASON}}",
    ),
    ("[standard]", "[{data: {}, overfit: {}}]", "the keys data, overfit"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG_TYPES)
def test_wrong_types_are_told_in_words_of_the_spec(tmp_path: Path, old: str, new: str, message: str) -> None:
    """Place, key path, what is needed and what was read; no word of pydantic's."""
    assert message in told(tmp_path, (old, new))


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "1.0e+999"])
def test_numbers_are_finite(tmp_path: Path, number: str) -> None:
    """A bound that is not finite would be met by all or by none."""
    assert told(tmp_path, ("at_least: 0.9", f"at_least: {number}")).startswith(
        f"14:29  gates.test.accuracy.at_least: {number}"
    )


def test_an_integer_of_any_length_is_refused_in_its_place(tmp_path: Path) -> None:
    """64 bits hold what a spec can say."""
    message = told(tmp_path, ("epochs: 10", f"epochs: {'9' * 5000}"))

    assert message.startswith("11:11  train.epochs: 99999")
    assert "is outside the range of 64-bit integers" in message


@pytest.mark.parametrize("bound", [{"at_least": float("nan")}, {"at_most": float("inf")}, {"by": float("nan")}])
def test_bounds_made_in_python_are_finite_too(bound: dict[str, float]) -> None:
    """The models themselves refuse what the loader lets nobody write."""
    with pytest.raises(ValidationError, match="finite"):
        Bound.model_validate(bound)
