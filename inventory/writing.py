"""Plain values to YAML text that says the same in YAML 1.2, as it is read here, and in 1.1, as other tools read it."""

from __future__ import annotations

from typing import Any

import yaml
from yaml.nodes import ScalarNode

from inventory.nodes import STR, meaning


class _Dumper(yaml.SafeDumper):
    """PyYAML quotes text that YAML 1.1 would take for something else, such as `on`; this also `1e3` and `0o17`."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)  # type: ignore[no-untyped-call]
        return meaning(value) if tag == STR and kind is ScalarNode and implicit[0] else tag


def written(value: Any, *, in_order: bool = False) -> str:
    """The value as text: keys sorted, and in one line what holds no further list or mapping.

    `in_order`: keys as they come, and a line for every value.
    """
    flow = False if in_order else None
    return yaml.dump(value, Dumper=_Dumper, allow_unicode=True, default_flow_style=flow, sort_keys=not in_order)
