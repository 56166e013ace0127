from reports.text import printable, shown


def test_ordinary_text_stays_as_it_is():
    assert printable("kvm-1: PF ens1f0 → 8 VFs\n\tnext", 100) == "kvm-1: PF ens1f0 → 8 VFs\n\tnext"


def test_control_and_format_characters_become_visible():
    assert printable("a\x1b[31m\0\u202eb\ud800", 100) == "a\\x1b[31m\\x00\\u202eb\\ud800"


def test_a_huge_line_is_cut_and_says_so():
    text = printable("x" * 1_000_000, 50)
    assert text == "x" * 50 + " … 999950 more characters"


def test_markup_is_escaped():
    assert shown("<script>\"'&") == "&lt;script&gt;&quot;&#x27;&amp;"
