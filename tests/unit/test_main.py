"""`python -m pytest_mlspec`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_mlspec.__main__ import main
from pytest_mlspec.store import Key, Store
from pytest_mlspec.store.inputs import Inputs

ROOT = Path(__file__).parents[2]
SPECS = sorted(
    path.relative_to(ROOT).as_posix() for folder in ("specs", "examples") for path in ROOT.glob(f"{folder}/**/*.yaml")
)


@pytest.mark.parametrize("spec", SPECS)
def test_show_prints_a_spec_that_says_the_same(spec: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed can be read again, and then prints itself."""
    assert main(["--root", str(ROOT), "show", str(ROOT / spec)]) == 0
    shown = capsys.readouterr().out
    again = tmp_path / "again.mlspec.yaml"
    again.write_text(shown)
    assert main(["--root", str(ROOT), "show", str(again)]) == 0

    assert capsys.readouterr().out == shown
    assert "seed: 0" in shown


def test_show_prints_durations_with_their_unit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Those of `train` too, so that what is printed can be read again."""
    spec = tmp_path / "digits.mlspec.yaml"
    spec.write_text(
        "mlspec: 1\nname: digits\ndata: {source: sklearn.digits}\nmodel: mlp\nchecks: standard\n"
        "train: {checkpoint: {time: 5min}}\n"
    )

    assert main(["--root", str(tmp_path), "show", str(spec)]) == 0
    assert "checkpoint:\n    time: 300s\n" in capsys.readouterr().out


def test_show_prints_no_share_of_a_split_that_has_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A rule refuses it there, and what is printed can be read again."""
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    spec = tmp_path / "files.mlspec.yaml"
    spec.write_text(
        "mlspec: 1\nname: files\ntask: regression\nmodel: mlp\nchecks: standard\n"
        "data: {target: y, split: {files: {train: a.csv, test: b.csv}, val: 0.1}}\n"
    )
    assert main(["--root", str(tmp_path), "show", str(spec)]) == 0
    spec.write_text(capsys.readouterr().out)

    assert main(["--root", str(tmp_path), "show", str(spec)]) == 0
    assert "val: 0.1\n" in capsys.readouterr().out


def test_show_tells_every_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With its place, as a run of pytest does, and exit code 2."""
    spec = tmp_path / "bad.mlspec.yaml"
    spec.write_text("mlspec: 1\nname: bad\nmodle: mlp\n")

    assert main(["--root", str(tmp_path), "show", str(spec)]) == 2
    assert "bad.mlspec.yaml:3:1  unknown key" in capsys.readouterr().err.replace("modle: ", "")


def test_store_lists_evidence_and_removes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options it only lists; `--keep 0B` removes everything."""
    store = Store(tmp_path)
    with store.draft(Key("wine: train", {"seed": 0})) as draft:
        draft.publish({"loss": 1.0}, inputs=Inputs())

    assert main(["--root", str(tmp_path), "store"]) == 0
    assert "wine: train" in capsys.readouterr().out
    assert main(["--root", str(tmp_path), "store", "--keep", "0B"]) == 0
    assert "wine: train" in capsys.readouterr().out
    assert store.entries() == []


@pytest.mark.parametrize("option", [["--keep", "10xx"], ["--unused-for", "soon"]])
def test_an_amount_that_cannot_be_read_is_refused(option: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The message names the option and says what to write."""
    with pytest.raises(SystemExit, match="2"):
        main(["store", *option])

    assert option[1] in capsys.readouterr().err
