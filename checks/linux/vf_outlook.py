"""What the next boot makes of one PF: udev's rules and every other mechanism, together."""

from __future__ import annotations

from dataclasses import dataclass

from checks.linux.sriov_forecast import Forecast
from checks.linux.vf_claims import Claim, count_after_boot


@dataclass(frozen=True, slots=True)
class Owner:
    """Something that will set the number. `mechanism`: as the inventory calls it. `count`: None when not known."""

    mechanism: str
    name: str
    count: int | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """A PF at the next boot. `late`, `early`: the number of VFs when udev, or the initramfs, loads its driver."""

    expected: Forecast
    claims: tuple[Claim, ...]
    late: int | None
    early: int | None

    @property
    def numbers(self) -> set[int | None]:
        """What it comes to, in either way of booting."""
        return {self.late, self.early}

    @property
    def owners(self) -> tuple[Owner, ...]:
        """Everything that certainly acts: rules that make VFs, and claims."""
        rules = sorted({a.rule.where for a in self.expected.attempts if a.outcome == "made"})
        count = next((n for n in (self.expected.late, self.expected.early) if n), None)
        found = {where: Owner("udev", where, count) for where in rules}
        found |= {str(c): Owner(c.mechanism, str(c), c.count) for c in self.claims if c.effective}
        return tuple(found.values())

    @property
    def doubtful(self) -> tuple[Claim, ...]:
        """Claims of which it cannot be told whether they act, or on which PF."""
        return tuple(dict.fromkeys(c for c in self.claims if c.effective is None))


def outlook(expected: Forecast, claims: tuple[Claim, ...]) -> Outlook:
    """Put the forecast of the rules and the claims of all else together."""
    late = count_after_boot(claims, expected.late, "late")
    return Outlook(expected, claims, late, count_after_boot(claims, expected.early, "early"))


def told(ahead: Outlook, want: int | None) -> str:
    """How many VFs there will be, and all that is known about why."""
    late, early = ("an unknown number of" if n is None else str(n) for n in (ahead.late, ahead.early))
    said = f"will have {late} VFs after the next boot"
    if late != early:
        said = f"will have {late} VFs if udev loads its driver, and {early} if the initramfs does"
    reasons = [f"{u.rule.where} does not apply: {u.reason}" for u in ahead.expected.unapplied]
    reasons += dict.fromkeys(f"{a.rule.where} at {a.event} {a.result}" for a in ahead.expected.attempts)
    reasons = reasons or ["no udev rule is about it"]
    reasons += dict.fromkeys(_fate(claim) for claim in ahead.claims)
    return f"{said}{'' if want is None else f', wanted {want}'}: {'; '.join(reasons)}"


def _fate(claim: Claim) -> str:
    if claim.effective is False:
        return f"{claim} does nothing: {claim.reason}"
    if claim.effective is None:
        return f"{claim}: {claim.reason}"
    when = "" if claim.boot is None else f", but only if {'udev' if claim.boot == 'late' else 'the initramfs'} loads it"
    return f"{claim} makes {'an unknown number' if claim.count is None else claim.count}{when}"


def attention(ahead: Outlook) -> tuple[str, ...]:
    """What is no fault today, and yet leaves something to luck or misleads."""
    found = [text for claim in ahead.claims if claim.effective is not False for text in claim.advice]
    found += [
        f"{claim} is meant for it and does nothing: {claim.reason}"
        for claim in ahead.claims
        if claim.effective is False and claim.meant
    ]
    return tuple(dict.fromkeys(found))
