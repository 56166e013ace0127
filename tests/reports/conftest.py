"""A run of made-up checks, in process."""

import pytest

import reports.plugin
from tests.reports.made_up import arguments, prepare, results_of


@pytest.fixture
def run(pytester):
    """Run these checks; gives pytest's result, and results.json."""

    def run(*sources, args=()):
        prepare(pytester, *sources)
        result = pytester.runpytest_inprocess(*arguments(*args), no_reraise_ctrlc=True, plugins=[reports.plugin])
        return result, results_of(pytester)

    return run
