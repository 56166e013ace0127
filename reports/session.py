"""One vfproof run in pytest: what pytest tells is recorded, and at the end rendered."""

from __future__ import annotations

import hashlib
import html
import os
import shutil
import signal
import threading
import time
from collections.abc import Generator, MutableSequence, Sequence
from pathlib import Path
from typing import Any

import pytest
from pytest_metadata.plugin import metadata_key  # type: ignore[import-untyped]

from inventory.loading import InventoryError, load
from reports import metrics, one_file, readiness, rows, table, top
from reports.junit_properties import SharedProperties
from reports.listed import ListedOnly
from reports.progress import Progress
from reports.readiness import FINDINGS
from reports.recorder import Recorder
from reports.run_folder import MACHINE_BY_MACHINE, MACHINE_FACTS, READINGS, REMARKS, SECTIONS
from reports.text import printable
from reports.top import Beside

ASSETS = Path(__file__).resolve().parent / "assets"
LOG_LIMIT = 20_000
JUDGED = (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.NO_TESTS_COLLECTED)


class Reporting:
    """pytest's hooks for one run. Registered as a plugin by `reports.plugin` when the run has an inventory."""

    def __init__(self, config: pytest.Config, recorder: Recorder, copy_junit_to: Path | None) -> None:
        self._config = config
        self._recorder = recorder
        self._copy_junit_to = copy_junit_to
        self._started = False
        self._ended_by = ""
        self._shown: set[str] = set()
        self._page: Any = None  # pytest-html's ReportData, which it exports no type for
        self._old_handler: Any = None

    # The run begins, goes on, and ends.

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self) -> None:
        """Keep the inventory, and leave a page from the first moment on."""
        source = self._config.invocation_params.dir / Path(self._config.getoption("inventory")).expanduser()
        try:
            guests = load(source).guests
            self._recorder.folder.add("inventory.yaml", source.read_bytes())
        except (InventoryError, OSError) as error:
            raise pytest.UsageError(str(error)) from error
        self._recorder.host_of = {name: guest.host for name, guest in guests.items() if guest.host is not None}
        facts: dict[str, dict[str, str]] = {}  # filled by whoever looks at the machines
        facts = self._config.stash.setdefault(MACHINE_FACTS, facts)
        self._recorder.facts = facts
        self._recorder.update_run(inventory="inventory.yaml")
        ListedOnly.put_before_the_page(self._config.pluginmanager, self._is_listed)
        self._config.stash[metadata_key].clear()  # the page says who, when and which versions in its own place
        self._started = True
        self._heed_sigterm()
        self._leave_page()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count what the command line leaves out, to say so in the report: rows about nobody left nothing out."""
        left_out = sum(readiness.NO_MACHINE not in item.nodeid for item in items)
        self._recorder.update_run(deselected=self._recorder.run.deselected + left_out)

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Note how many statements there are to judge."""
        if len(session.items) > table.LIST_ALL_UP_TO:
            SharedProperties.register(self._config)
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if self._config.stash.get(MACHINE_BY_MACHINE, False) and terminal and not self._config.get_verbosity():
            self._config.pluginmanager.register(Progress(self._recorder, terminal), "vfproof-progress")
        remarks = tuple(rows.bounded_line(remark) for remark in self._config.stash.get(REMARKS, ()))
        self._recorder.update_run(collected=len(session.items), remarks=remarks)
        self._leave_page()

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Under pytest-xdist the workers collect, each of them everything."""
        self._recorder.update_run(collected=len(ids))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """A file of checks that cannot be loaded is a row: nothing is known of what it would have judged."""
        if report.failed:
            self._recorder.add(rows.unloadable(report.nodeid, report.longreprtext))

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Remember what is being judged, for a run that is cut off right there."""
        self._recorder.judging = nodeid

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Record, and from time to time renew the page."""
        self._recorder.hear(report)
        if self._recorder.is_time_to_refresh():
            self._leave_page()

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Ctrl-C, SIGTERM, `pytest.exit`, or pytest giving up after the collection."""
        if isinstance(excinfo.value, (pytest.Session.Interrupted, pytest.exit.Exception)):
            self._ended_by = str(excinfo.value)
        else:
            at = f" while judging {self._recorder.judging}" if self._recorder.judging else ""
            self._ended_by = f"interrupted by {str(excinfo.value) or 'Ctrl-C'}{at}"

    def pytest_internalerror(self, excrepr: object) -> None:
        """A fault in a plugin; its last line says which."""
        self._ended_by = f"an internal error: {str(excrepr).strip().splitlines()[-1]}"

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, None, None]:
        """Set the exit status, save the results, and when all reports are written close the folder to others."""
        recorder = self._recorder
        recorder.finish()
        if recorder.run.collected > table.LIST_ALL_UP_TO:
            # pytest would look through all reports for each failure that it shows; the readiness section has them.
            self._config.option.tbstyle = "no"
        recorder.update_run(ended_by=printable(self._why_early(session), 500))
        session.exitstatus = self._exit_status(exitstatus)
        recorder.update_run(exit_status=int(session.exitstatus))
        recorder.save()
        self._save_metrics()
        yield
        if int(session.exitstatus) != recorder.run.exit_status:  # a comparison with another run has a say, too
            recorder.update_run(exit_status=int(session.exitstatus))
            recorder.save()
        if self._config.getoption("self_contained"):
            self._make_one_file()
        if self._copy_junit_to is not None:
            self._copy_junit_to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(recorder.folder.path / "junit.xml", self._copy_junit_to)
        recorder.folder.seal()

    def _make_one_file(self) -> None:
        """When all other files are whole: put them into the page."""
        folder = self._recorder.folder
        page = (folder.path / "report.html").read_text(encoding="utf-8")
        readings = self._config.stash.get(READINGS, {})
        folder.add(
            "report.html", one_file.embed(page, folder.path, self._recorder.results(), readings.values()).encode()
        )

    def _save_metrics(self) -> None:
        """For a monitoring system: in the folder, and where the command line wants it."""
        told = metrics.text(self._recorder.results())
        self._recorder.folder.add(metrics.METRICS, told.encode())
        if wanted := self._config.getoption("prometheus"):
            try:
                metrics.write(self._config.invocation_params.dir / wanted, told)
            except OSError as error:
                self._recorder.update_run(
                    remarks=(*self._recorder.run.remarks, f"--prometheus {wanted}: {error.strerror}")
                )

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Readiness per machine, what stands in the way, and where the report is."""
        terminalreporter.section("readiness")
        colours = {"ready": "green", "not ready": "red", "not proven": "yellow"}
        for machine in self._recorder.machines():
            colour = {colours[machine.readiness]: True}
            terminalreporter.write(f"{machine.verdict.upper():<10} ", bold=True, **colour)
            guests = f" (with {', '.join(machine.guests)})" if machine.guests else ""
            terminalreporter.write_line(f"{machine.name}{guests}: {readiness.in_words(machine.counts)}")
            if machine.reason:
                terminalreporter.write_line(f"    {machine.reason}")
            for finding in machine.findings[:FINDINGS]:
                told = rows.bounded_line(finding.message or finding.statement)
                terminalreporter.write_line(f"    {finding.outcome}: {told}")
        for remark in self._recorder.run.remarks:
            terminalreporter.write_line(f"note: {rows.bounded_line(remark)}")
        terminalreporter.write_line(f"Report: {self._recorder.folder.path / 'report.html'}")

    def close(self) -> None:
        """Give SIGTERM back; remove the folder if no session began in it (a usage error found while configuring)."""
        if self._old_handler is not None:
            signal.signal(signal.SIGTERM, self._old_handler)
            self._old_handler = None
        if not self._started:
            self._recorder.finish()
            shutil.rmtree(self._recorder.folder.path)

    # The page, through pytest-html's hooks.

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_report_title(self, report: Any) -> None:
        """Our order, our words for its filters, and logs folded away."""
        self._page = report
        report.data["initialSort"] = "original"
        report.data["renderCollapsed"] = ["all"]
        for outcome, label in table.LABELS.items():
            report.outcomes[outcome]["label"] = label

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_duration_format(self, duration: float) -> str:
        """In ms throughout: pytest-html's other form rounds to seconds, and its script can sort only these two."""
        return f"{duration * 1000:.0f} ms"

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_header(self, cells: MutableSequence[str]) -> None:
        """Our columns."""
        cells[:] = table.HEADER

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_row(
        self, report: pytest.TestReport | pytest.CollectReport, cells: MutableSequence[str]
    ) -> None:
        """One row per statement, from what was recorded: pytest-html calls this for every setup and teardown too."""
        row = self._recorder.rows.get(rows.bounded_line(report.nodeid))
        quiet = isinstance(report, pytest.TestReport) and rows.outcome(report) is None
        if row is None or quiet or row.id in self._shown:
            cells.clear()
            return
        self._shown.add(row.id)
        extra_links = cells[3].removeprefix('<td class="col-links">').removesuffix("</td>")
        cells[:] = table.cells(row, duration_cell=cells[2], extra_links=extra_links)

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_table_html(
        self, report: pytest.TestReport | pytest.CollectReport, data: MutableSequence[str]
    ) -> None:
        """What a check printed, and its traceback: already escaped, here bounded. What its row says is not repeated."""
        row = self._recorder.rows.get(rows.bounded_line(report.nodeid))
        told = ("No log output captured.", "" if row is None else html.escape(row.message))
        skipped = report.skipped and not hasattr(report, "wasxfail")  # then the first is pytest's (file, line, reason)
        data[:] = [printable(text, LOG_LIMIT) for text in data[int(skipped) :] if text.strip() not in told]

    @pytest.hookimpl(optionalhook=True)
    def pytest_html_results_summary(self, summary: MutableSequence[str], postfix: MutableSequence[str]) -> None:
        """The top of the page; the worst rows first; counts of rows, where pytest-html counts reports."""
        results = self._recorder.results()
        self._page.title = top.title(results)
        summary.append(top.top(results, self._beside()))
        postfix.append(f"<script>{(ASSETS / 'report.js').read_text(encoding='utf-8')}</script>")
        listed = self._recorder.rows
        places = {name: number for number, name in enumerate(dict.fromkeys(row.machine for row in listed.values()))}

        def need(test: tuple[str, Any]) -> tuple[int, int]:
            row = listed[rows.bounded_line(test[0])]
            return rows.OUTCOMES.index(row.outcome), places[row.machine]

        self._page.set_data("tests", dict(sorted(self._page.data["tests"].items(), key=need)))
        words = [table.PYTEST_WORDS[row.outcome].lower() for row in listed.values()]
        for outcome, entry in self._page.outcomes.items():
            entry["value"] = words.count(outcome)
        with_advice = sum(row.outcome == "advice" for row in listed.values())
        if with_advice:
            self._page.outcomes["passed"]["label"] += f" ({with_advice} with advice)"

    def _is_listed(self, nodeid: str) -> bool:
        row = self._recorder.rows.get(rows.bounded_line(nodeid))
        return row is not None and table.is_listed(row, self._recorder.run.collected)

    def _beside(self) -> Beside:
        digest = hashlib.sha256((self._recorder.folder.path / "results.json").read_bytes()).hexdigest()
        sections, readings = self._config.stash.get(SECTIONS, []), self._config.stash.get(READINGS, {})
        return Beside(sections, readings, digest)

    def _leave_page(self) -> None:
        begun = time.monotonic()
        css = (ASSETS / "report.css").read_text(encoding="utf-8")
        self._recorder.folder.add("report.html", top.so_far(self._recorder.results(), css).encode())
        self._recorder.save()
        self._recorder.refreshed(time.monotonic() - begun)

    def _why_early(self, session: pytest.Session) -> str:
        if self._ended_by:
            return self._ended_by
        stopped = session.shouldfail or session.shouldstop
        if stopped:
            return str(stopped)
        missing = self._recorder.run.collected - len(self._recorder.rows)
        return f"{missing} statements were never judged" if missing > 0 else ""

    def _exit_status(self, exitstatus: int) -> int:
        """Ours for a run that judged; pytest's own for one that was interrupted, misused or failed inside."""
        if exitstatus not in JUDGED:
            return exitstatus
        status = readiness.exit_status(self._recorder.rows.values())
        if status == 0 and exitstatus == pytest.ExitCode.TESTS_FAILED:
            return 1  # something failed that is no row
        return 6 if status == 0 and self._recorder.run.ended_by else status

    def _heed_sigterm(self) -> None:
        """Let SIGTERM end the run as Ctrl-C does, so that teardowns give back what they took; a second one kills."""
        if (
            threading.current_thread() is not threading.main_thread()
            or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
        ):
            return

        def interrupt(_signal: int, _frame: object) -> None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            raise KeyboardInterrupt(f"SIGTERM to process {os.getpid()}")

        self._old_handler = signal.signal(signal.SIGTERM, interrupt)
