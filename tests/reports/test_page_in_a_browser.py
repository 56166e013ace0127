"""The page as a browser shows it, from disk and with no network."""

import re
import shutil
import subprocess

import pytest

import reports.plugin

pytest_plugins = ["pytester"]
CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--virtual-time-budget=3000",
)

CONFTEST = """
def pytest_addoption(parser):
    parser.addoption("--inventory")
"""
HOSTILE = """<script>document.title='pwned'</script><img src=x onerror="document.title='pwned'">"""
CHECKS = f'''
import pytest

@pytest.mark.parametrize("x", [{HOSTILE!r}])
def test_hostile(x, request):
    """Nothing a host says is run."""
    request.node.user_properties += [("machine", x), ("note", x), ("advice", x), ("evidence", x + "\\t" + x)]
    print(x)
    assert not x, x

def test_holds(request):
    """This one holds."""
    request.node.user_properties.append(("machine", "kvm-1"))
'''


@pytest.fixture(scope="module")
def dom(tmp_path_factory):
    """The page's document after its scripts have run."""
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")

    def dom(page):
        profile = tmp_path_factory.mktemp("chromium")
        command = [CHROMIUM, *FLAGS, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout

    return dom


@pytest.mark.browser
def test_rows_are_drawn_and_nothing_hostile_is_run(pytester, dom):
    pytester.makeconftest(CONFTEST)
    pytester.makeini(
        "[pytest]\naddopts = -p no:testinfra -p no:pytest11.testinfra -p no:hypothesispytest\nmarkers = browser"
    )
    pytester.makefile(".yaml", inventory="hosts:\n  kvm-1: {connect: 'ssh://root@kvm-1'}\n")
    pytester.makepyfile(test_x=CHECKS)
    arguments = ("--inventory", "inventory.yaml", "--run-folder", "out")
    result = pytester.runpytest_inprocess(*arguments, plugins=[reports.plugin])
    assert result.ret == 1
    document = dom(pytester.path / "out" / "report.html")
    (title,) = re.findall(r"<title[^>]*>(.*?)</title>", document, re.DOTALL)
    assert title.startswith("vfproof: ")
    assert title != "pwned"
    drawn = document.partition('<table id="results-table">')[2]
    assert drawn.count('class="collapsible"') == 2
    assert drawn.index("Nothing a host says is run.") < drawn.index("This one holds.")
    assert '<img src="x"' not in document
    assert 'class="vf-search"' in document
