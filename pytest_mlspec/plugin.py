"""Every hook, item and fixture of the plugin, each a few lines that hand over; the only importer of pytest.

An idle session pays for this file alone: what does the work is imported when the first spec is collected.
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pytest_mlspec.language.spec import Spec
    from pytest_mlspec.plan import Claim, Plan
    from pytest_mlspec.run import Run
    from pytest_mlspec.session import Answer, Session

YAML = (".yaml", ".yml")
SESSION = pytest.StashKey["Session"]()
SHARED = "mlspec_session"  # the key of xdist's workerinput
_EXTENDED = pytest.StashKey[bool]()
_PASSED_OVER = pytest.StashKey[list[Path]]()
_NOT_ON = "add --mlspec, or `mlspec = true` to the ini file"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options and ini values."""
    group = parser.getgroup("mlspec", "gates on model trainings (pytest-mlspec)")
    group.addoption("--mlspec", action="store_true", help="collect spec files and test what they claim")
    group.addoption("--mlspec-fresh", action="store_true", help="run every job again, whatever evidence is stored")
    group.addoption("--mlspec-inline", action="store_true", help="run jobs in this process, for a debugger")
    group.addoption("--mlspec-plan", action="store_true", help="show the jobs and what is reused, and run nothing")
    group.addoption(
        "--mlspec-update",
        action="store_true",
        help="record what the check `baseline` compares with, in a file beside each spec",
    )
    group.addoption(
        "--mlspec-profile",
        action="store_true",
        help="run every job again, one at a time, and show where the time of the trainings goes",
    )
    group.addoption(
        "--mlspec-workers", type=_count, metavar="N", help="jobs at a time (default: one for each processor)"
    )
    parser.addini("mlspec", "collect spec files as if --mlspec were given", type="bool", default=False)
    parser.addini("mlspec_allow", "packages that specs may name beside the project's own code", type="args", default=[])
    parser.addini("mlspec_inconclusive", "`fail` or `skip`: how an inconclusive claim ends", default="fail")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker; under xdist, keeps what is for one process in this one."""
    config.addinivalue_line(
        "markers",
        "mlspec(path, name=None, **overrides): the spec of mlspec_run and mlspec_spec, with values by the paths of their keys",
    )
    if config.getini("mlspec_inconclusive") not in ("fail", "skip"):
        raise pytest.UsageError(f"mlspec_inconclusive is fail or skip, not {config.getini('mlspec_inconclusive')!r}")
    if config.option.mlspec_plan or config.option.mlspec_inline:
        config.option.dist = "no"


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collects spec files; a YAML file that is named on the command line is one whatever it holds."""
    if file_path.suffix not in YAML:
        return None
    named = parent.session.isinitpath(file_path)
    if not _is_on(parent.config) and not (named and file_path.stem.endswith(".mlspec")):
        parent.config.stash.setdefault(_PASSED_OVER, []).append(file_path)
        return None
    from pytest_mlspec.language.load import is_spec

    if not (named or is_spec(file_path)):
        return None
    file: SpecFile = SpecFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Hands the jobs of all selected items over before the first item runs; with --mlspec-plan shows them instead."""
    option = session.config.option
    runs_none = option.collectonly or session.config.getoption("setuponly", False)
    if runs_none or (session.testsfailed and not option.continue_on_collection_errors):
        return None
    items = [item for item in session.items if isinstance(item, ClaimItem)]
    if option.mlspec_plan:
        _show_plans(session.config, items)
        return True
    for plan, claims in _by_plan(items):
        session_of(session.config).enlist(plan, claims)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends every job that still runs."""
    if SESSION in config.stash:
        config.stash[SESSION].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under xdist: tells a worker where the broker of the controller answers, and where evidence is stored."""
    if _is_on(node.config):
        node.workerinput[SHARED] = vars(session_of(node.config).share())


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any) -> None:
    """Under xdist: where a spec cannot be read nothing runs, as without xdist, which itself would run the others."""
    reporter = node.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is None or node.config.option.continue_on_collection_errors:
        return
    unread = [report for report in reporter.stats.get("error", ()) if report.nodeid.endswith(YAML)]
    if unread:
        raise pytest.Session.Interrupted(f"{len(unread)} error{'s' * (len(unread) > 1)} during collection")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Gives a skipped claim the place of its line in the spec."""
    report = yield
    if isinstance(item, ClaimItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), item.claim.place.line, report.longrepr[2])
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config) -> None:
    """What was measured (-vv), where the time went (--mlspec-profile), and what to add where specs alone were found."""
    nothing_found = exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED
    if nothing_found and _PASSED_OVER in config.stash and (count := _passed_over(config)):
        terminalreporter.write_line(f"{count} spec{'s were' if count > 1 else ' was'} passed over: {_NOT_ON}")
    if config.option.mlspec_profile and SESSION in config.stash:
        from pytest_mlspec.report import profile_lines

        _write_section(terminalreporter, "profiled by mlspec", profile_lines(Path(config.stash[SESSION].profiles)))
    if not _is_on(config):
        return
    from pytest_mlspec.report import diagnosis_lines, measured_lines, recorded_lines

    reports = [report for group in terminalreporter.stats.values() for report in group]
    called = [(report.nodeid, report.user_properties) for report in reports if getattr(report, "when", "") == "call"]
    if config.get_verbosity() >= 2:
        _write_section(terminalreporter, "measured by mlspec", measured_lines(called))
    if config.option.mlspec_update:
        _write_section(terminalreporter, "baselines", recorded_lines(called))
    _write_section(terminalreporter, "likely causes", diagnosis_lines(called))


@pytest.fixture
def mlspec_run(request: pytest.FixtureRequest) -> Run:
    """The training of the spec that `@pytest.mark.mlspec(path)` names: the same that its YAML items are judged on.

    Values by the paths of their keys change it for this test: `@pytest.mark.mlspec(path, **{"train.epochs": 2})`.
    """
    from pytest_mlspec.run import run_of

    with _told_in_words(), _progress(request.config) as show:
        return run_of(session_of(request.config), **_marked(request, "mlspec_run"), on_progress=show)


@pytest.fixture
def mlspec_spec(request: pytest.FixtureRequest) -> Spec:
    """The validated spec that `@pytest.mark.mlspec(path)` names, overrides in place. Nothing is trained."""
    from pytest_mlspec.language.declared import read_one

    with _told_in_words():
        marked = _marked(request, "mlspec_spec")
        root = request.config.rootpath
        return read_one(root / marked.pop("path"), root=root, **marked).spec


@pytest.fixture(scope="session")
def mlspec_device() -> str:
    """The device that `device: auto` takes on this machine, as torch writes it: `cuda`, `mps` or `cpu`."""
    from pytest_mlspec.store.environment import device_class

    return device_class().partition(":")[0]


class SpecFile(pytest.File):
    """A file of specs."""

    def collect(self) -> Iterator[SpecNode]:
        """One collector for each spec of the file; SpecError with every mistake is shown as it is."""
        from pytest_mlspec.errors import SpecError
        from pytest_mlspec.language.declared import read
        from pytest_mlspec.plan import make_plan

        if not _is_on(self.config):
            raise self.CollectError(f"this is a spec: {_NOT_ON}")
        _load_extensions(self.config)
        try:
            declared = read(self.path, root=self.config.rootpath)
        except SpecError as error:
            raise self.CollectError(error.message) from None
        for each in declared:
            plan = make_plan(each)
            if self.config.option.mlspec_update:
                from pytest_mlspec.recording import recording

                names = [other.spec.name for other in declared]
                plan = recording(plan, names=names, store=lambda: session_of(self.config).store)
            node: SpecNode = SpecNode.from_parent(self, name=each.spec.name, plan=plan)
            yield node


class SpecNode(pytest.Collector):
    """One spec."""

    def __init__(self, *, plan: Plan, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.plan = plan
        for tag in plan.spec.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of a spec")
        for mark in (*plan.spec.tags, "mlspec"):
            self.add_marker(mark)

    def collect(self) -> Iterator[ClaimItem]:
        """One item for each claim."""
        for claim in self.plan.claims:
            item: ClaimItem = ClaimItem.from_parent(self, name=claim.name, plan=self.plan, claim=claim)
            yield item


class ClaimFailedError(Exception):
    """A red answer; its text is what the failure shows."""

    def __init__(self, answer: Answer) -> None:
        from pytest_mlspec.report import failure_text

        super().__init__(failure_text(answer))
        self.answer = answer


class ClaimItem(pytest.Item):
    """One claim of a spec."""

    def __init__(self, *, plan: Plan, claim: Claim, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.plan = plan
        self.claim = claim

    def runtest(self) -> None:
        """Waits for the evidence, judges it, and fails or skips as the verdict says."""
        from pytest_mlspec import report
        from pytest_mlspec.check import Status

        session = session_of(self.config)
        session.enlist(self.plan, [self.claim])  # known already, unless another plugin has replaced the loop
        with _progress(self.config) as show:
            answer = session.answer(self.plan, self.claim, on_progress=show)
        self.user_properties += report.properties(answer)
        if answer.log:
            self.add_report_section("call", "output of the job", answer.log)
        summary = answer.verdict.summary
        match answer.verdict.status:
            case Status.SKIPPED:
                pytest.skip(summary)
            case Status.NOT_APPLICABLE:
                pytest.skip(f"not applicable: {summary}")
            case Status.INCONCLUSIVE if self.config.getini("mlspec_inconclusive") == "skip":
                pytest.skip(f"inconclusive: {summary}")
        if answer.verdict.status.red:
            raise ClaimFailedError(answer)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The answer as text, at the place of the claim; anything else is ours, or inline the user's: with traceback."""
        if not isinstance(excinfo.value, ClaimFailedError):
            return super().repr_failure(excinfo, style)
        shown: Any = excinfo.getrepr(style="value")
        answer = excinfo.value.answer
        # What the summary, --tb=line and JUnit files quote; --tb=line shows nothing else.
        shown.reprcrash.path, shown.reprcrash.lineno = answer.place.path, answer.place.line
        shown.reprcrash.message = answer.verdict.summary
        if self.config.getoption("tbstyle", "auto") == "line":
            shown.reprtraceback.reprentries = []
        return shown

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line of the claim counted from 0, and the heading of a failure."""
        # A heading that ended the node id would be shown with its dots as `::`.
        return self.path, self.claim.place.line - 1, f"{self.plan.spec.name}: {self.name}"


def session_of(config: pytest.Config) -> Session:
    """The session of this pytest run, made at its first use."""
    if SESSION not in config.stash:
        from pytest_mlspec.errors import MlspecError
        from pytest_mlspec.opening import Asked, open_session

        shared = getattr(config, "workerinput", {}).get(SHARED)
        asked = Asked.by(config.option, config.getini, root=config.rootpath, shared=shared)
        try:
            config.stash[SESSION] = open_session(asked, warn=partial(_warn, config))
        except MlspecError as error:
            raise pytest.UsageError(error.message) from None
    return config.stash[SESSION]


def _load_extensions(config: pytest.Config) -> None:
    """Imports the installed packages that extend, once, and warns of what could not be registered or imported."""
    from pytest_mlspec import extensions

    if _EXTENDED not in config.stash:
        config.stash[_EXTENDED] = True
        extensions.load_installed()
    while extensions.MISTAKES:
        _warn(config, extensions.MISTAKES.pop(0))


def _count(text: str) -> int:
    if not (text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of jobs")
    return int(text)


def _is_on(config: pytest.Config) -> bool:
    option = config.option
    asked = (option.mlspec, option.mlspec_plan, option.mlspec_profile, option.mlspec_update, config.getini("mlspec"))
    return any(asked)


def _warn(config: pytest.Config, message: str) -> None:
    try:
        config.issue_config_time_warning(pytest.PytestWarning(message), stacklevel=3)
    except pytest.PytestWarning:  # where warnings are errors, this one is the user's to settle, not a bug of ours
        raise pytest.UsageError(message) from None


def _passed_over(config: pytest.Config) -> int:
    """How many specs were seen and not asked for; only counted where nothing else was found."""
    from pytest_mlspec.language.load import is_spec

    return sum(is_spec(path) for path in config.stash[_PASSED_OVER])


def _write_section(reporter: pytest.TerminalReporter, title: str, lines: Sequence[str]) -> None:
    if lines:
        reporter.ensure_newline()
        reporter.section(title)
    for line in lines:
        reporter.write_line(line)


def _by_plan(items: Iterable[ClaimItem]) -> Iterator[tuple[Plan, list[Claim]]]:
    plans: dict[str, tuple[Plan, list[Claim]]] = {}
    for item in items:
        plans.setdefault(item.plan.id, (item.plan, []))[1].append(item.claim)
    yield from plans.values()


def _show_plans(config: pytest.Config, items: Iterable[ClaimItem]) -> None:
    from pytest_mlspec.report import plan_lines

    reporter = config.pluginmanager.get_plugin("terminalreporter")
    for plan, claims in _by_plan(items):
        for line in plan_lines(session_of(config), plan, claims):
            print(line) if reporter is None else reporter.write_line(line)


def _marked(request: pytest.FixtureRequest, fixture: str) -> dict[str, Any]:
    """What the marker `mlspec` of a test says: the path, the name, the overrides, and where they are written."""
    from pytest_mlspec.errors import Place

    marker = request.node.get_closest_marker("mlspec")
    if marker is None or len(marker.args) != 1 or not isinstance(marker.args[0], str | Path):
        pytest.fail(f"{fixture} needs @pytest.mark.mlspec('PATH OF THE SPEC') or (…, name='SPEC')", pytrace=False)
    path, line, _ = request.node.location
    overrides = {key: value for key, value in marker.kwargs.items() if key != "name"}
    at = Place(path, (line or 0) + 1, 1)
    return {"path": marker.args[0], "name": marker.kwargs.get("name"), "overrides": overrides, "at": at}


@contextmanager
def _told_in_words() -> Iterator[None]:
    """Fails the test with what an MlspecError says, without its traceback."""
    from pytest_mlspec.errors import MlspecError

    try:
        yield
    except MlspecError as error:
        told = "\n".join(part for part in (error.message, error.details, error.advice) if part)
    else:
        return
    pytest.fail(told, pytrace=False)  # outside the handler, or the error would be shown a second time


@contextmanager
def _progress(config: pytest.Config) -> Iterator[Callable[[str, dict[str, Any]], None] | None]:
    """What shows the news of a job while an item waits for it; None where this process has no terminal to write to."""
    reporter = config.pluginmanager.get_plugin("terminalreporter")
    capture = config.pluginmanager.get_plugin("capturemanager")
    if reporter is None or capture is None:
        yield None
        return
    from pytest_mlspec.report import ProgressLine

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():  # not through the reporter, which counts columns
            sys.stdout.write(text)
            sys.stdout.flush()

    with capture.global_and_fixture_disabled():  # else the width is that of the capturing file
        columns = shutil.get_terminal_size().columns if reporter.isatty else None
    line = ProgressLine(write, columns=columns)
    session = session_of(config)
    yield lambda key, news: line.show(session.title(key), news)
    line.clear()
