"""The page on which a person reads a bundle."""

import base64
import gzip
import json
import re
from pathlib import Path

import pytest

from checks.bundle import Bundle
from checks.readable import name_of, page, place_of
from tests import chromium

CAPTURED = Path(__file__).parent / "captured" / "sriov-lab" / "hfbc9a.vfb.gz"
HOSTILE = (
    "<script>document.title='pwned'</script><img src=x onerror=\"document.title='pwned'\">\x1b[31m\u202e</script><!--"
)


def between(text, start, end):
    return text.partition(start)[2].partition(end)[0]


def test_it_holds_the_bundle_s_own_bytes_and_is_hardly_larger():
    bundle = Bundle.load(CAPTURED)
    text = page(bundle, "hfbc9a.vfb.gz").decode()
    packed = base64.b64decode(between(text, '<script type="text/plain" id="bundle">', "</script>"))
    assert packed == CAPTURED.read_bytes()
    assert len(text) < 1.4 * len(packed) + 20_000
    assert '<a href="hfbc9a.vfb.gz">' in text


def test_every_fact_names_the_sources_that_it_was_read_from():
    bundle = Bundle.load(CAPTURED)
    facts = json.loads(between(page(bundle, "x").decode(), 'id="sources">', "</script>"))
    assert bundle.sources is not None
    lines = [getattr(bundle.sources[number], "path", "") for number in facts["pci"]]
    assert "/sys/bus/pci/devices/*/sriov_numvfs" in lines
    assert "/proc/cmdline" in [getattr(bundle.sources[number], "path", "") for number in facts["boot parameters"]]


def test_a_place_is_named_as_its_fact():
    assert name_of("checks.facts.boot_parameters") == "boot parameters"
    assert place_of("checks.facts.boot_parameters") == "boot-parameters"


def test_it_may_load_nothing_and_a_name_is_data():
    text = page(Bundle.of("<b>kvm</b>"), '"><b>').decode()
    assert "default-src 'none'" in text
    assert "<b>kvm" not in text and '"><b>' not in text


@pytest.mark.browser
@chromium.needed
def test_a_browser_shows_every_source_raw(tmp_path):
    file = tmp_path / "host.html"
    file.write_bytes(page(Bundle.load(CAPTURED), "host.vfb.gz"))
    document = chromium.dom(file)
    shown = dict(re.findall(r"<h3>([^<]*)</h3><pre[^>]*>([^<]*)</pre>", document))
    bundle = Bundle.load(CAPTURED)
    assert shown["/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs"] == "2\n"
    assert shown["/proc/cmdline"].strip() == (bundle.text("/proc/cmdline") or "").strip()
    assert shown["/sys/class/net/enp1s0"] == bundle.link("/sys/class/net/enp1s0")
    assert "0000:01:00.0" in document and 'id="boot-parameters"' in document
    texts = {path for path in bundle.paths() if path.startswith("/sys/bus/pci/devices/") and path.endswith("/class")}
    assert texts <= shown.keys()


@pytest.mark.browser
@chromium.needed
def test_what_a_machine_says_is_run_nowhere(tmp_path):
    raw = Bundle.of(HOSTILE[:40], files={"/proc/cmdline": HOSTILE, f"/etc/{HOSTILE[:30]}": "y" * 1_000_000 + HOSTILE},
                    commands={"dmesg": (1, HOSTILE)})  # fmt: skip
    file = tmp_path / "host.html"
    file.write_bytes(page(raw, "host.vfb.gz"))
    document = chromium.dom(file)
    assert "<title>What was read of &lt;script&gt;" in document
    assert "data-ready=" in document
    assert '<img src="x"' not in document and "\x1b" not in document and "\u202e" not in document
    assert "\\u{202e}" in document
    assert len(document) < 400_000, "a megabyte is shown when somebody asks for it"


@pytest.mark.browser
@chromium.needed
def test_a_damaged_bundle_is_told(tmp_path):
    text = page(Bundle.load(CAPTURED), "host.vfb.gz").decode()
    packed = between(text, '<script type="text/plain" id="bundle">', "</script>")
    broken = base64.b64encode(gzip.compress(b"no bundle")).decode()
    file = tmp_path / "host.html"
    file.write_text(text.replace(packed, broken))
    assert "This bundle cannot be unpacked here" in chromium.dom(file)
