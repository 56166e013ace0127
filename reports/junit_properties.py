"""JUnit XML of many rows in less memory: what rows have in common is there once.

pytest keeps an element for every property of every row until the end. A statement's words are the same for a thousand
machines, and a machine's evidence for fifty statements; one element can stand in many places of a tree.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element

import pytest
from _pytest.junitxml import LogXML, xml_key


class SharedProperties:
    """A plugin."""

    def __init__(self, xml: LogXML) -> None:
        self._xml = xml
        self._known: dict[tuple[str | None, str | None], Element] = {}
        self._done = 0

    @classmethod
    def register(cls, config: pytest.Config) -> None:
        """Where pytest writes JUnit XML."""
        if (xml := config.stash.get(xml_key, None)) is not None:
            config.pluginmanager.register(cls(xml), "vfproof-junit-properties")

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logfinish(self) -> None:
        """Look at the elements of the row that has ended."""
        ended = self._xml.node_reporters_ordered[self._done :]
        self._done += len(ended)
        for properties in (found for one in ended for found in one.to_xml().iter("properties")):
            for place, one in enumerate(properties):
                properties[place] = self._known.setdefault((one.get("name"), one.get("value")), one)
