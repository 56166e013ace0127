"""The page as a browser shows it, from disk and with no network."""

import html
import itertools
import json
import os
import re
import shutil

import pytest

import reports.plugin
from tests import chromium
from tests.reports.made_up import BROKEN, DOES_NOT_APPLY, HOLDS, arguments, prepare

pytest_plugins = ["pytester"]
pytestmark = [pytest.mark.browser, chromium.needed]

# What a host may say: markup, scripts, control characters, bidirectional overrides, a line of a megabyte.
HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">"
    "</script><!--<svg onload=document.title='pwned'>\x1b[31m\u202e\u2066"
)
CHECKS = f'''
import pytest

HOSTILE = {HOSTILE!r}

@pytest.mark.parametrize("x", [HOSTILE])
def test_hostile(x, request):
    """Nothing a host says is run."""
    long = x + "y" * 1_000_000
    request.node.user_properties += [
        ("machine", x), ("note", long), ("advice", x), ("evidence", x + "\\t" + x + "#" + x), ("figure", x + "\\t" + x)
    ]
    print(long)
    assert not x, long

def test_holds(kvm_1):
    """This one holds."""
'''
TIMED = """<script>
addEventListener("load", () => {
  document.body.offsetHeight;  // laid out
  const first = performance.now();
  const box = document.querySelector(".vf-search");
  const times = ["kvm-07", "no such text", "statement 7", "broken", ""].map((word) => Math.min(...[1, 2, 3].map(() => {
    box.value = "";
    box.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    const begun = performance.now();
    box.value = word;
    box.dispatchEvent(new Event("input"));
    document.body.offsetHeight;
    return performance.now() - begun;
  })));
  document.documentElement.dataset.times = JSON.stringify({ first, slowest: Math.max(...times) });
});
</script></body>"""


@pytest.fixture
def page(pytester):
    """The page of a run of these checks."""

    def page(*sources, args=()):
        prepare(pytester, *sources)
        pytester.runpytest_inprocess(*arguments(*args), plugins=[reports.plugin])
        return pytester.path / "out" / "report.html"

    return page


def rows_drawn(document):
    return document.partition('<table id="results-table"')[2].count('class="collapsible"')


def row_of(document, statement):
    bodies = document.partition('<table id="results-table"')[2].split("<tbody")[1:]
    return next(body for body in bodies if statement in body)


def title_of(document):
    return re.findall(r"<title[^>]*>(.*?)</title>", document, re.DOTALL)[0]


@pytest.mark.parametrize("options", [(), ("--self-contained",)])
def test_rows_are_drawn_and_nothing_hostile_is_run(page, options):
    document = chromium.dom(page(CHECKS, args=options))
    assert title_of(document).startswith("vfproof: ")
    assert rows_drawn(document) == 2
    assert document.index("Nothing a host says is run.") < document.index("This one holds.")
    assert '<img src="x"' not in document and "<svg onload" not in document
    assert "\x1b" not in document and "\u202e" not in document and "\u2066" not in document
    assert len(document) < (4_000_000 if options else 400_000)  # one file holds junit.xml, which has it in full


def test_it_can_be_read_without_seeing_it(page):
    document = chromium.dom(page(BROKEN, HOLDS))
    assert '<html lang="en"' in document
    assert document.count("<main>") == 1
    levels = [
        int(level)
        for level in re.findall(r"<h([1-6])", document.partition("<template")[0] + document.partition("<main>")[2])
    ]
    assert levels[0] == 1 and all(later - earlier <= 1 for earlier, later in itertools.pairwise(levels))
    assert re.search(r'<nav class="vf-contents" aria-label="[^"]+"', document)
    assert re.search(r'<table id="results-table" aria-labelledby="statements"', document)
    heads = re.findall(r"<th [^>]*>", document.partition('<table id="results-table"')[2])
    assert all('scope="col"' in head for head in heads)
    assert all(
        "aria-sort=" in head and 'tabindex="0"' in head for head in heads if "sortable" in head and "hidden" not in head
    )
    assert "<caption>" in document and 'scope="row"' in document
    figures = document.partition("<main>")[2].partition('<table id="results-table"')[0]
    assert "<img " in figures and not re.search(r"<img (?![^>]*alt=)", figures)
    assert 'aria-label="Show only what has all of these words"' in document


def test_a_row_s_address_stays_good_whatever_is_filtered(page):
    target = "#row-test-area1-py-test-vfs-are-there"
    place = f"?q=nowhere&visible=failed{target}"
    document = chromium.dom(page(BROKEN, HOLDS), place)
    row = row_of(document, "Every VF is there.")
    assert "vf-target" in row.partition(">")[0]
    assert "vf-filtered" not in row.partition(">")[0]


def test_a_search_hides_what_has_not_all_of_its_words(page):
    document = chromium.dom(page(BROKEN, HOLDS), "?q=slaves+guest-1")
    assert "vf-filtered" in row_of(document, "Every VF is there.").partition(">")[0]
    assert "vf-filtered" not in row_of(document, "The bond has two slaves.").partition(">")[0]
    assert re.search(r'class="vf-told">1 host, (\d findings?, )?(0 findings, )?1 statement<', document)


def test_paper_has_everything_also_what_is_filtered_or_folded(page, tmp_path):
    told = '''
def test_talks(kvm_1):
    """This one talks."""
    print("what it printed")
'''
    report = page(BROKEN, HOLDS, DOES_NOT_APPLY, told, args=("--metadata", "ticket", "CHG-1"))
    text = chromium.printed(report, tmp_path / "paper.pdf", "?q=nowhere")
    flat = " ".join(text.split())
    rows = ("The bond has two slaves.", "Every VF is there.", "The host has no bond of its own.", "This one talks.")
    details = ("what it printed", "no bond here", "8 VFs", "one is no bond.", "add a slave.")
    for wanted in (*rows, *details, "CHG-1", "kernel", "Sign-off", "Signature", "SHA-256"):
        assert wanted in flat, wanted


def test_what_is_read_opens_from_the_one_file(page):
    readable = '''
def test_read(kvm_1, tell, request):
    """It was read."""
    from reports.run_folder import RUN_FOLDER
    page = b"<title>raw</title><script>document.body.dataset.place = window.name</script>"
    tell("evidence", "raw\\t" + request.config.stash[RUN_FOLDER].add("bundles/kvm-1.html", page) + "#pci")
'''
    report = page(readable, args=("--self-contained",))
    alone = report.parent.parent / "alone" / "mailed.html"
    alone.parent.mkdir()
    click = '<script>addEventListener("load", () => document.querySelector(".col-links a").click())</script></body>'
    alone.write_text(report.read_text().replace("</body>", click))
    document = chromium.dom(alone)
    assert '<dialog class="vf-look" aria-label="bundles/kvm-1.html" open' in document
    assert 'name="pci" sandbox="allow-scripts"' in document


def test_a_hundred_hosts_are_seen_in_a_second_and_filtered_in_a_tenth(page):
    """The best of three, as other work only ever makes it slower; what the processors share, they share with it.

    Of that the load of the last minute tells too little, too late: beside the other tests twice the time is no sign.
    """
    fleet = '''
import pytest

@pytest.mark.parametrize("number", range(54))
@pytest.mark.parametrize("machine", [f"kvm-{number:03}" for number in range(100)])
def test_many(machine, number, tell):
    """It holds, as every statement of every host does but a few."""
    tell("machine", machine)
    tell("evidence", f"{machine}: pci\\tbundles/{machine}.html#pci")
    if number < 4:
        tell("advice", "statement 7 deserves attention, and says so in a sentence as long as such sentences are")
    assert number != 9 or not machine.endswith("7"), f"{machine}: one VF of two is not there (read from sysfs)"
'''
    report = page(fleet)
    size = report.stat().st_size
    assert size < 3_000_000
    timed = report.with_name("timed.html")
    timed.write_text(report.read_text().replace("</body>", TIMED))
    found = []
    for _ in range(3):
        (times,) = re.findall(r'data-times="([^"]+)"', chromium.dom_at_load(timed))
        found.append(json.loads(html.unescape(times)))
    shared = max(2.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    print(f"page {size / 1e6:.2f} MB, {found}, {shared:.1f} processes to a processor")
    assert min(each["first"] for each in found) < 1000 * shared, found
    assert min(each["slowest"] for each in found) < 100 * shared, found


def test_the_tools_are_there_where_chromium_is():
    assert shutil.which("pdftotext"), "Debian package poppler-utils"
