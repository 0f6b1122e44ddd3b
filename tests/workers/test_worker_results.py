"""What a worker gives back, and the process that its target finds itself in."""

from __future__ import annotations

from pathlib import Path

from pytest_mlspec.workers.broker import Broker

from .conftest import MakeBroker, MakeTask


def test_result(broker: Broker, make_task: MakeTask) -> None:
    """The outcome holds what the target returned for the task's request, and how long it took."""
    broker.submit([make_task("echo", key="one", rate=1e-3, name="größe\n")])

    outcome = broker.outcome("one")

    assert outcome.value == {"do": "echo", "rate": 1e-3, "name": "größe\n", "needed": {}}
    assert outcome.error is None
    assert 0 < outcome.seconds < 60
    assert not outcome.reused


def test_large_request_and_result(broker: Broker, make_task: MakeTask) -> None:
    """Requests and results larger than the buffers of sockets arrive whole."""
    broker.submit([make_task("echo", key="in", text="y" * 3_000_000), make_task("large", key="out", size=3_000_000)])

    inwards, outwards = broker.outcome("in"), broker.outcome("out")

    assert inwards.value is not None
    assert inwards.value["text"] == "y" * 3_000_000
    assert outwards.value == {"text": "x" * 3_000_000}


def test_progress(broker: Broker, make_task: MakeTask) -> None:
    """Who waits receives the reports of running tasks in order; the last one always."""
    seen: list[tuple[str, int]] = []
    broker.submit([make_task("steps", key="one")])

    broker.outcome("one", on_progress=lambda key, progress: seen.append((key, progress["step"])))

    assert seen == sorted(seen)
    assert seen[-1] == ("one", 2)


def test_named_error(broker: Broker, make_task: MakeTask) -> None:
    """A named error arrives with its kind, key and advice."""
    broker.submit([make_task("fail", key="one")])

    error = broker.outcome("one").error

    assert error is not None
    assert (error.kind, error.message) == ("DataError", "12 rows have no label")
    assert (error.key, error.advice) == ("data.target", "drop them")


def test_unexpected_error(broker: Broker, make_task: MakeTask) -> None:
    """Any other exception is a bug and arrives with its traceback."""
    broker.submit([make_task("surprise", key="one", divisor=0)])

    error = broker.outcome("one").error

    assert error is not None
    assert (error.kind, error.message) == ("InternalError", "ZeroDivisionError: division by zero")
    assert "1 / request" in error.details


def test_result_that_is_not_json(broker: Broker, make_task: MakeTask) -> None:
    """A result that cannot be sent is an error, not a worker that vanished."""
    broker.submit([make_task("unfit", key="one")])

    error = broker.outcome("one").error

    assert error is not None
    assert (error.kind, error.message) == ("InternalError", "TypeError: Object of type object is not JSON serializable")


def test_target_that_does_not_exist(make_broker: MakeBroker, make_task: MakeTask) -> None:
    """A target that cannot be imported is an error that names it."""
    broker = make_broker(target="no_such_module:run")
    broker.submit([make_task("echo", key="one")])

    error = broker.outcome("one").error

    assert error is not None
    assert error.message == "ModuleNotFoundError: No module named 'no_such_module'"


def test_fork_of_user_code_cannot_answer(broker: Broker, make_task: MakeTask) -> None:
    """Only the worker answers: a process that user code forked and that comes back to us ends without a word."""
    broker.submit([make_task("fork_that_returns", key="one")])

    outcome = broker.outcome("one")

    assert outcome.value == {"by": "the worker"}


def test_surroundings(broker: Broker, make_task: MakeTask, tmp_path: Path) -> None:
    """The target runs in the root directory, with an empty command line, one thread, and no socket but its channel."""
    broker.submit([make_task("process", key="one")])

    value = broker.outcome("one").value

    assert value is not None
    assert value["directory"] == str(tmp_path)
    assert value["arguments"] == []
    assert value["environment"] == {"OMP_NUM_THREADS": "1", "PYTEST_CURRENT_TEST": None}
    assert value["sockets"] == 1
    assert not {"torch", "numpy", "sklearn", "pydantic", "pytest"} & set(value["modules"])


def test_output_goes_to_the_log(broker: Broker, make_task: MakeTask) -> None:
    """What user code prints is in the task's log, even where it ends the process without flushing."""
    broker.submit([make_task("leave", key="one", code=0)])

    outcome = broker.outcome("one")

    assert Path(outcome.log).read_text() == "about to leave\n"


def test_forks_share_a_hash_seed_and_a_fresh_interpreter_has_another(broker: Broker, make_task: MakeTask) -> None:
    """Two forks and a spawned interpreter agree on hashes; a fresh one does not."""
    starts = {"a": "fork", "b": "fork", "c": "spawn", "d": "fresh"}
    broker.submit([make_task("process", key=key, start=start) for key, start in starts.items()])

    values = {key: broker.outcome(key).value or {} for key in starts}

    assert values["a"]["hash"] == values["b"]["hash"] == values["c"]["hash"]
    assert values["a"]["hash"] != values["d"]["hash"]
    assert len({value["pid"] for value in values.values()}) == 4
