"""The report as one file."""

import json

from tests.reports.made_up import BROKEN, HOLDS, page_of

pytest_plugins = ["pytester"]
FIGURE = '''
def test_drill(guest_1, tell, request):
    """Neighbours follow."""
    from reports.run_folder import RUN_FOLDER
    folder = request.config.stash[RUN_FOLDER]
    tell("figure", "timeline\\t" + folder.add("drills/a.svg", b"<svg></svg>"))
    tell("evidence", "capture\\t" + folder.add("drills/a.pcap", bytes(range(256))))
    tell("evidence", "secret\\t../inventory.yaml")
    tell("evidence", "large\\t" + folder.add("drills/large.pcap", bytes(9 * 1024 * 1024)))
'''


def held(pytester):
    text = page_of(pytester).partition('id="vf-files">')[2].partition("</script>")[0]
    return json.loads(text)


def test_figures_and_evidence_are_in_it(run, pytester):
    run(FIGURE, HOLDS, args=("--self-contained",))
    page, files = page_of(pytester), held(pytester)
    assert 'src="data:image/svg+xml;base64,PHN2Zz48L3N2Zz4="' in page
    assert {
        "drills/a.pcap",
        "evidence/kvm-1.gz",
        "inventory.yaml",
        "results.json",
        "junit.xml",
        "metrics.prom",
    } < files.keys()
    assert json.loads(files["results.json"]["text"])["state"] == "finished"
    assert "<link" not in page
    assert not (pytester.path / "out" / "assets").exists()


def test_what_lies_outside_and_what_is_too_large_is_not_in_it(run, pytester):
    run(FIGURE, args=("--self-contained",))
    assert not {"../inventory.yaml", "drills/large.pcap"} & held(pytester).keys()


def test_pytest_html_s_own_option_means_the_same(run, pytester):
    run(BROKEN, args=("--self-contained-html",))
    assert "inventory.yaml" in held(pytester)


def test_without_the_option_evidence_lies_beside(run, pytester):
    run(BROKEN)
    assert 'id="vf-files"' not in page_of(pytester)
