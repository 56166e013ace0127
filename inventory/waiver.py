"""A waiver: somebody answers for one statement that is broken on one machine, until a day."""

from __future__ import annotations

from pydantic import Field

from inventory.strict import Strict
from inventory.values import Day, MachineName, Sentence, StatementName


class Waiver(Strict):
    """One statement of one machine that may be broken for now. It is shown in every report, and it expires."""

    statement: StatementName = Field(
        description="the statement, by its name in the report, such as test_every_pf_is_up"
    )
    on: MachineName = Field(description="the machine, by its name in this inventory")
    reason: Sentence = Field(description="why it may be broken")
    by: Sentence = Field(description="who answers for it")
    until: Day = Field(description="last day on which it counts, such as 2027-03-31")
