"""What a spec may say of its source: names, files, arguments. Files are looked for, and nothing is read or fetched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from churn_spec import CHURN, spec, told

from pytest_mlspec.errors import SpecError
from pytest_mlspec.language.declared import read

SOURCE = "source: data/churn.csv"
TARGET = "  target: churned\n"
OWN = "your own function is written package.module:name"

NAMES = [
    ("data/chrun.csv", "there is no file 'data/chrun.csv' below the root directory ROOT", "churn.csv'?"),
    ("dta/churn.csv", "there is no file 'dta/churn.csv' below", "there is no folder 'dta' either"),
    ("../churn.csv", "'../churn.csv' lies outside the root directory ROOT", "name a file below it"),
    ("data/../../churn.csv", "'data/../../churn.csv' lies outside the root", "name a file below it"),
    ("/etc/hosts.csv", "'/etc/hosts.csv' lies outside the root directory ROOT", "name a file below it"),
    ("../photos/", "'../photos/' lies outside the root directory ROOT", "name a folder below it"),
    ("data/photo/", "there is no folder 'data/photo/' below the root directory ROOT", "did you mean 'photos'?"),
    ("data/churn.csv/", "'data/churn.csv/' is not a folder", "name a folder"),
    ("data", "'data' is a folder", "write data/"),
    ("churn.pkl", "'churn.pkl' is not of a format that is read", OWN),
    ("weights.pt", "'weights.pt' is not of a format that is read", ".parquet, .npy, .npz"),
    ("rows.parquet.gz", "'rows.parquet.gz' is not of a format that is read", "a folder of classes ends in /"),
    ("os.system", "'os.system' is not of a format that is read", OWN),
    ("'https://host/churn.csv'", "'https://host/churn.csv' is an address, and nothing is fetched", "your own function"),
    ("'file:///etc/hosts.csv'", "'file:///etc/hosts.csv' is an address, and nothing is fetched", ""),
    ("'hf://datasets/x/y.parquet'", "'hf://datasets/x/y.parquet' is an address, and nothing is fetched", ""),
    ("'data:text/csv,x'", "'data:text/csv,x' is no import path", "write package.module:name"),
    ("'os:system()'", "'os:system()' is no import path", "write package.module:name"),
    ("'__main__:load'", "'__main__:load' is no import path", "write package.module:name"),
    ("sklearn.digit", "unknown source 'sklearn.digit'", "did you mean 'sklearn.digits'?"),
    ("hugingface", "unknown source 'hugingface'", "did you mean 'huggingface'?"),
]

ARGUMENTS = [
    ("data/churn.csv, spe: ;", "data/churn.csv has no argument 'spe'", "did you mean 'sep'?"),
    ("data/churn.csv, sep: '||'", "sep: one character is needed, not '||'", "in double quotes"),
    ("data/churn.csv, na_values: [-1]", "na_values: a list of texts is needed, not a list", 'quote numbers: ["-1"]'),
    ("data/churn.csv, text: zip", "text: a list of texts is needed, not 'zip'", "[name, other]"),
    ("data/churn.csv, columns: [a, b, a]", "columns: a name stands twice in the list", "remove one"),
    ("data/churn.csv, columns: []", "columns: a list of texts is needed, not an empty list", ""),
    ("data/churn.csv, quoting: all", "quoting: 'all' is not known here", "allowed: none"),
    ("data/a.jsonl, sep: ;", "data/a.jsonl has no argument 'sep'", "known: columns, optional"),
    ("data/a.npy, targets: data/b.npy", "targets: there is no file 'data/b.npy' below", "did you mean 'a.npy'?"),
    ("data/a.npy, targets: data/churn.csv", "targets: 'data/churn.csv' is not of the format of data/a.npy", ".npy"),
    ("data/a.npy, targets: ../y.npy", "targets: '../y.npy' lies outside the root directory", ""),
    ("data/a-ubyte, labels: 3", "labels: a text is needed, not 3", ""),
    ("data/photos/, size: 0", "size: a number of pixels is needed, not 0", "size: [HEIGHT, WIDTH]"),
    ("data/photos/, size: [8, 8, 3]", "size: a number of pixels is needed, not a list", ""),
    ("data/photos/, mode: CMYK", "mode: 'CMYK' is not known here", "allowed: RGB, L"),
    ("data/a.txt, skip_blank: 1", "skip_blank: true or false is needed, not 1", ""),
    ("sklearn.digits, columns: [a]", "sklearn.digits has no argument 'columns'", "it takes none"),
    ("huggingface", "huggingface needs the argument 'path'", "{use: huggingface, path: NAME}"),
    ("huggingface, path: imdb, splt: test", "huggingface has no argument 'splt'", "did you mean 'split'?"),
    ("huggingface, path: ../mails", "path: '../mails/' lies outside the root directory", "name a folder below it"),
    ("huggingface, path: data/churn/mails", "path: there is no folder 'data/churn/mails/' below", ""),
    ("huggingface, path: data/photos, revision: a", "revision: 'data/photos' is a folder, and has no revisions", ""),
    (
        "huggingface, path: imdb, trust_remote_code: true",
        "trust_remote_code: a spec cannot allow code from elsewhere",
        "remove this key",
    ),
]


@pytest.fixture(autouse=True)
def _files(tmp_path: Path) -> None:
    (tmp_path / "data" / "photos").mkdir(parents=True)
    for name in ("a.jsonl", "a.npy", "a-ubyte", "a.txt", "a.parquet"):
        (tmp_path / "data" / name).touch()


@pytest.mark.parametrize(("name", "message", "advice"), NAMES)
def test_a_wrong_source_is_told_with_its_remedy(tmp_path: Path, name: str, message: str, advice: str) -> None:
    """Missing, outside, an address, of another format, misspelt."""
    shown = told(tmp_path, (SOURCE, f"source: {name}"), (TARGET, ""))

    assert f"5:3  data.source: {message}" in shown
    assert advice in shown


@pytest.mark.parametrize(("use", "message", "advice"), ARGUMENTS)
def test_a_wrong_argument_is_told_with_its_remedy(tmp_path: Path, use: str, message: str, advice: str) -> None:
    """Each format has its own."""
    shown = told(tmp_path, (SOURCE, f"source: {{use: {use}}}"))

    assert message in shown
    assert advice in shown


@pytest.mark.parametrize(
    "use",
    [
        'data/churn.csv, sep: "\\t", na_values: ["-"], text: [zip], names: [a, churned], quoting: none',
        "data/a.jsonl, columns: [a, churned], optional: [a]",
        "data/a.parquet, columns: [a, churned]",
        "huggingface, path: imdb, split: train, revision: 9c6ede8",
        "huggingface, path: stanfordnlp/imdb, name: plain, columns: [text, churned]",
        "huggingface, path: data/photos, columns: [image, churned], size: [8, 6], mode: L",
    ],
)
def test_a_table_with_its_arguments_is_accepted(tmp_path: Path, use: str) -> None:
    """It has a column for the target."""
    assert spec(tmp_path, (SOURCE, f"source: {{use: {use}}}")).spec.name == "churn"


@pytest.mark.parametrize(
    "use",
    [
        "{use: data/a.npy, targets: data/a.npy}",
        "{use: data/a-ubyte, labels: data/a-ubyte}",
        "{use: data/photos/, size: 32, mode: RGB}",
        "sklearn.breast_cancer",
    ],
)
def test_a_source_with_its_own_target_takes_no_other(tmp_path: Path, use: str) -> None:
    """`data.target` names a column, and there is none."""
    shown = told(tmp_path, (SOURCE, f"source: {use}"))

    assert "data.target: " in shown
    assert "brings its own target\n    remove this key" in shown
    assert spec(tmp_path, (SOURCE, f"source: {use}"), (TARGET, "")).spec.name == "churn"


@pytest.mark.parametrize(
    ("use", "message"),
    [
        (
            "data/a.npy",
            "data/a.npy has no targets, and the task needs them\n    write {use: data/a.npy, targets: FILE}",
        ),
        ("data/a-ubyte", "data/a-ubyte has no targets, and the task needs them\n    write {use: data/a-ubyte, labels:"),
        (
            "data/a.txt",
            "data/a.txt holds texts alone, without a target\n    write `task: language_model`, or give each",
        ),
        ("data/a.parquet", "the key 'target' is required for a table\n    write the column to predict"),
        ("{use: huggingface, path: imdb}", "the key 'target' is required for a table\n    write the column to predict"),
    ],
)
def test_a_task_with_a_target_needs_one(tmp_path: Path, use: str, message: str) -> None:
    """Where it may stand depends on the format."""
    assert message in told(tmp_path, (SOURCE, f"source: {use}"), (TARGET, ""))


@pytest.mark.parametrize("use", ["data/photos/", "{use: huggingface, path: imdb}", "'team.data:load'"])
def test_a_source_that_may_bring_splits_may_bring_validation_rows(tmp_path: Path, use: str) -> None:
    """Then a worker finds out."""
    target = "" if use == "data/photos/" else TARGET
    changes = ((SOURCE, f"source: {use}"), (TARGET, target), (", val: 0.1", ""), ("test.accuracy", "val.accuracy"))

    assert spec(tmp_path, *changes).spec.name == "churn"


@pytest.mark.parametrize(
    ("split", "message"),
    [
        ("{files: {train: data/churn.csv}}", "data.split.files: the file of the test split is required"),
        ("{files: {train: data/churn.csv, test: t.csv}}", "data.split.files.test: there is no file 't.csv' below"),
        ("{files: {train: data/churn.csv, test: data/a.npy}}", "data.split.files.test: data/a.npy has no targets"),
        ("{files: {train: data/churn.csv, test: 'http://x/y.csv'}}", "data.split.files.test: 'http://x/y.csv' is an"),
        ("{files: {train: data/churn.csv, test: data/churn.csv}, test: 0.2}", "the test split has a file of its own"),
        ("{files: {train: data/churn.csv, test: data/churn.csv}, time: age}", "every split has its file, and nothing"),
    ],
)
def test_files_of_splits_are_held_to_the_same_rules(tmp_path: Path, split: str, message: str) -> None:
    """Each stands at its own key."""
    shown = told(tmp_path, (f"  {SOURCE}\n", ""), ("{test: 0.2, val: 0.1}", split))

    assert message in shown


def test_files_of_splits_replace_the_source(tmp_path: Path) -> None:
    """Both would give the rows; a validation split is one of the files, or a share of that for training."""
    split = "{files: {train: data/churn.csv, test: data/churn.csv}, val: 0.1, time: age}"
    no_val = "{files: {train: data/churn.csv, test: data/churn.csv}}"
    source, share = f"  {SOURCE}\n", "{test: 0.2, val: 0.1}"

    assert "`data.source` and these files both give the rows" in told(tmp_path, (share, split))
    assert "there is no split 'val'" in told(tmp_path, (source, ""), (share, no_val), ("test.accuracy", "val.accuracy"))
    assert spec(tmp_path, (source, ""), (share, split), ("test.accuracy", "val.accuracy")).spec.name == "churn"


def test_a_path_relative_to_the_spec_is_told_as_it_should_be_written(tmp_path: Path) -> None:
    """Paths are relative to the root directory, wherever the spec stands."""
    folder = tmp_path / "team" / "churn"
    (folder / "photos").mkdir(parents=True)
    (folder / "rows.csv").touch()
    (folder / "a.mlspec.yaml").write_text(CHURN.replace("data/churn.csv", "rows.csv"), "utf-8")
    (folder / "b.mlspec.yaml").write_text(CHURN.replace("data/churn.csv", "photos/"), "utf-8")

    with pytest.raises(SpecError, match="paths are relative to the root directory: write team/churn/rows"):
        read(folder / "a.mlspec.yaml", root=tmp_path)
    with pytest.raises(SpecError, match="paths are relative to the root directory: write team/churn/photos/"):
        read(folder / "b.mlspec.yaml", root=tmp_path)


def test_a_folder_is_no_table(tmp_path: Path) -> None:
    """Even where its name ends like one."""
    (tmp_path / "folder.csv").mkdir()

    message = told(tmp_path, (SOURCE, "source: folder.csv"))

    assert message == "5:3  data.source: 'folder.csv' is not a file\n    name a file"


def test_a_file_without_permission_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is there, and cannot be read."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)

    message = told(tmp_path)

    assert message == "5:3  data.source: the file 'data/churn.csv' cannot be read: permission denied\n    chmod +r"


def test_a_link_out_of_the_root_directory_is_outside(tmp_path: Path) -> None:
    """Links are followed before anything is said."""
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.csv").write_text("a\n", "utf-8")
    (root / "link.csv").symlink_to(tmp_path / "secret.csv")

    message = told(root, (SOURCE, "source: link.csv"))

    assert message == "5:3  data.source: 'link.csv' lies outside the root directory ROOT\n    name a file below it"


def test_a_circle_of_links_and_a_name_that_is_too_long_are_told(tmp_path: Path) -> None:
    """What the system answers is no traceback."""
    (tmp_path / "circle.csv").symlink_to(tmp_path / "circle.csv")

    assert "'circle.csv'" in told(tmp_path, (SOURCE, "source: circle.csv"))
    assert "File name too long" in told(tmp_path, (SOURCE, f"source: {'x' * 300}.csv"))


def test_an_absolute_path_through_another_name_of_the_root_is_told(tmp_path: Path) -> None:
    """The root directory may be reached by a link; a folder that is missing there is named all the same."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")

    message = told(tmp_path / "link", (SOURCE, f"source: {tmp_path / 'real' / 'gone' / 'x.csv'}"))

    assert message.endswith("/gone' either")
