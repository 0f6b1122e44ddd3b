"""Every hook, item and fixture of the plugin, each a few lines that hand over; the only importer of pytest.

An idle session pays for this file alone: what does the work is imported when the first spec is collected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import (
        TerminalReporter,
    )  # the type of a public fixture's object; imported for annotations alone

    from pytest_mlspec.plan import Claim, Plan
    from pytest_mlspec.remote import Door
    from pytest_mlspec.run import Run
    from pytest_mlspec.session import Answer, Session


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options and ini values."""
    group = parser.getgroup("mlspec", "gates on model trainings (pytest-mlspec)")
    group.addoption("--mlspec", action="store_true", help="collect spec files and test what they claim")
    group.addoption("--mlspec-fresh", action="store_true", help="run every job again, whatever evidence is stored")
    group.addoption("--mlspec-inline", action="store_true", help="run jobs in this process, for a debugger")
    group.addoption("--mlspec-plan", action="store_true", help="show the jobs and what is reused, and run nothing")
    group.addoption("--mlspec-workers", type=int, metavar="N", help="jobs at a time (default: one for each processor)")
    parser.addini("mlspec", "collect spec files as if --mlspec were given", type="bool", default=False)
    parser.addini("mlspec_allow", "packages that specs may name beside the project's own code", type="args", default=[])
    parser.addini("mlspec_inconclusive", "`fail` or `skip`: how an inconclusive claim ends", default="fail")


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line("markers", "mlspec(path, name=None): the spec whose training the fixture mlspec_run gives")


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> SpecFile | None:
    """Collects spec files; a YAML file that is named on the command line is one whatever it holds."""
    if file_path.suffix not in (".yaml", ".yml") or not _is_on(parent.config):
        return None
    from pytest_mlspec.load import is_spec

    if not (parent.session.isinitpath(file_path) or is_spec(file_path)):
        return None
    file: SpecFile = SpecFile.from_parent(parent, path=file_path)
    return file


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> bool | None:
    """Hands the jobs of all selected items over before the first item runs; with --mlspec-plan shows them instead."""
    items = [item for item in session.items if isinstance(item, ClaimItem)]
    if session.config.option.collectonly or session.testsfailed:
        return None
    if session.config.option.mlspec_plan:
        _show_plan(session.config, items)
        return True
    for plan, claims in _by_plan(items):
        session_of(session.config).enlist(plan, claims)
    return None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Ends every job that still runs."""
    if SESSION in config.stash:
        config.stash[SESSION].runs.close()
    if _DOOR in config.stash:
        config.stash[_DOOR].close()


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Under xdist: tells a worker where the broker of the controller answers."""
    if _is_on(node.config) and not node.config.option.mlspec_inline:
        node.workerinput["mlspec_broker"] = _door_of(node.config).address


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Gives a skipped claim the place of its line in the spec."""
    outcome: Any = yield
    report = outcome.get_result()
    if isinstance(item, ClaimItem) and report.skipped and isinstance(report.longrepr, tuple):
        report.longrepr = (str(item.path), item.claim.place.line, report.longrepr[2])


def pytest_terminal_summary(terminalreporter: TerminalReporter, config: pytest.Config) -> None:
    """With -vv: what was measured, of every claim."""
    if config.get_verbosity() < 2:
        return
    lines = [
        line
        for reports in terminalreporter.stats.values()
        for report in reports
        for name, line in getattr(report, "user_properties", ())
        if name == "mlspec.line" and report.when == "call"
    ]
    if lines:
        terminalreporter.section("measured by mlspec")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture
def mlspec_run(request: pytest.FixtureRequest) -> Run:
    """The training of the spec that `@pytest.mark.mlspec(path)` names: the same that its YAML items are judged on."""
    from pytest_mlspec.errors import MlspecError
    from pytest_mlspec.run import run_of

    marker = request.node.get_closest_marker("mlspec")
    if marker is None:
        pytest.fail("mlspec_run needs @pytest.mark.mlspec('path of the spec')", pytrace=False)
    try:
        return run_of(session_of(request.config), *marker.args, **marker.kwargs)
    except MlspecError as error:
        text = "\n".join(part for part in (error.message, error.details, error.advice) if part)
        pytest.fail(text, pytrace=False)


class SpecFile(pytest.File):
    """A file of specs."""

    def collect(self) -> Iterator[SpecNode]:
        """One collector for each spec of the file; SpecError with every mistake is shown as it is."""
        from pytest_mlspec.declared import read
        from pytest_mlspec.errors import SpecError
        from pytest_mlspec.plan import make_plan

        try:
            declared = read(self.path, root=self.config.rootpath)
        except SpecError as error:
            raise self.CollectError(error.message) from None
        for each in declared:
            node: SpecNode = SpecNode.from_parent(self, name=each.spec.name)
            node.plan = make_plan(each)
            yield node


class SpecNode(pytest.Collector):
    """One spec."""

    plan: Plan

    def collect(self) -> Iterator[ClaimItem]:
        """One item for each claim."""
        for tag in self.plan.spec.tags:
            self.config.addinivalue_line("markers", f"{tag}: a tag of a spec")
            self.add_marker(tag)
        self.add_marker("mlspec")
        for claim in self.plan.claims:
            item: ClaimItem = ClaimItem.from_parent(self, name=claim.name)
            item.plan, item.claim = self.plan, claim
            yield item


class ClaimFailedError(Exception):
    """A red answer; carries it to where the failure is shown."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.verdict.summary)
        self.answer = answer


class ClaimItem(pytest.Item):
    """One claim of a spec."""

    plan: Plan
    claim: Claim

    def runtest(self) -> None:
        """Waits for the evidence, judges it, and fails or skips as the verdict says."""
        from pytest_mlspec import report
        from pytest_mlspec.check import Status
        from pytest_mlspec.requirements import missing

        absent = missing(self.plan.spec.requires)
        if absent:
            pytest.skip(f"the spec requires what is not here: {absent}")
        with _progress(self.config) as line:
            session = session_of(self.config)
            session.enlist(self.plan, [self.claim])
            answer = session.answer(self.plan, self.claim, on_progress=line)
        self.user_properties += report.properties(answer)
        self.user_properties.append(("mlspec.line", f"{self.nodeid}  {report.measured_text(answer)}"))
        status = answer.verdict.status
        if status in (Status.SKIPPED, Status.NOT_APPLICABLE):
            pytest.skip(
                answer.verdict.summary if status is Status.SKIPPED else f"not applicable: {answer.verdict.summary}"
            )
        if status is Status.INCONCLUSIVE and self.config.getini("mlspec_inconclusive") == "skip":
            pytest.skip(f"inconclusive: {answer.verdict.summary}")
        if status.red:
            raise ClaimFailedError(answer)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The answer as text; anything else is ours and keeps its traceback."""
        if isinstance(excinfo.value, ClaimFailedError):
            from pytest_mlspec.report import failure_text

            return failure_text(excinfo.value.answer)
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """The file, the line of the claim counted from 0, and the heading of a failure."""
        # A heading that ended the node id would be shown with its dots as `::`.
        return self.path, self.claim.place.line - 1, f"{self.plan.spec.name}: {self.name}"


SESSION = pytest.StashKey["Session"]()
_DOOR = pytest.StashKey["Door"]()


def session_of(config: pytest.Config) -> Session:
    """The session of this pytest run, made at its first use."""
    if SESSION not in config.stash:
        config.stash[SESSION] = _new_session(config)
    return config.stash[SESSION]


def _is_on(config: pytest.Config) -> bool:
    option = config.option
    return bool(option.mlspec or option.mlspec_plan or config.getini("mlspec"))


def _new_session(config: pytest.Config) -> Session:
    from pytest_mlspec.session import Session, StoredEvidence, default_slots
    from pytest_mlspec.store import Store

    root, allowed = config.rootpath, tuple(config.getini("mlspec_allow"))
    if config.option.mlspec_inline:
        from pytest_mlspec.inline import InlineRuns

        inline = InlineRuns(root)
        return Session(root, Store(root, path=inline.folder), inline, inline=True, allowed=allowed)
    store = Store(root)
    address = getattr(config, "workerinput", {}).get("mlspec_broker")
    if address is not None:
        from pytest_mlspec.remote import RemoteBroker

        return Session(root, store, RemoteBroker(address), allowed=allowed)
    from pytest_mlspec.broker import Broker

    broker = Broker(
        target="pytest_mlspec.worker:run_job",
        slots=config.option.mlspec_workers or default_slots(),
        root=root,
        python_path=[str(root)],
        reuse=StoredEvidence(store, fresh=config.option.mlspec_fresh),
    )
    return Session(root, store, broker, allowed=allowed)


def _door_of(config: pytest.Config) -> Door:
    """What lets the workers of xdist use this process's broker, made at its first use."""
    if _DOOR not in config.stash:
        from pytest_mlspec.broker import Broker
        from pytest_mlspec.remote import Door

        runs = session_of(config).runs
        assert isinstance(runs, Broker)
        config.stash[_DOOR] = Door(runs)
    return config.stash[_DOOR]


def _by_plan(items: Iterable[ClaimItem]) -> Iterator[tuple[Plan, list[Claim]]]:
    plans: dict[str, tuple[Plan, list[Claim]]] = {}
    for item in items:
        plans.setdefault(item.plan.id, (item.plan, []))[1].append(item.claim)
    yield from plans.values()


def _show_plan(config: pytest.Config, items: Iterable[ClaimItem]) -> None:
    from pytest_mlspec.report import plan_lines
    from pytest_mlspec.session import StoredEvidence

    session = session_of(config)
    stored = StoredEvidence(session.store, fresh=config.option.mlspec_fresh)
    reporter: Any = config.pluginmanager.get_plugin("terminalreporter")
    for plan, claims in _by_plan(items):
        for line in plan_lines(session, stored, plan, claims):
            reporter.write_line(line)


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
        with capture.global_and_fixture_disabled():
            reporter.write(text, flush=True)

    line = ProgressLine(write, rewrite=reporter.isatty)
    session = session_of(config)
    yield lambda key, news: line.show(session.title(key), news)
    line.clear()
