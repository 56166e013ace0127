"""The kernel's command line, split and understood as the kernel does it.

Sources: Linux 6.12 lib/cmdline.c (next_arg), kernel/params.c (parameq: '-' and '_' are the same in a name),
drivers/iommu/intel/iommu.c (intel_iommu_setup), drivers/iommu/amd/init.c (parse_amd_iommu_options),
arch/x86/kernel/pci-dma.c (iommu_setup), drivers/iommu/irq_remapping.c (setup_irqremap);
Documentation/admin-guide/kernel-parameters.txt; man dracut.cmdline.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Switch = Literal["on", "off"]

_WORD_LISTS = frozenset({"intel_iommu", "amd_iommu", "iommu", "intremap", "pci", "mitigations"})
_COLLECTED = frozenset(
    {"console", "earlycon", "hugepages", "hugepagesz", "memmap", "crashkernel", "initcall_blacklist", "ip", "modprobe"}
)
# Not the kernel's own: dracut, systemd and kmod read each occurrence.
_COLLECTED_BY_OTHERS = ("rd.", "systemd.", "luks.", "modprobe.", "module_blacklist", "ifname", "vlan", "bond")
_SPACES = " \t\n\r\v\f"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter. `name` has '_' for every '-'; `value` is None where there is no '='; `text` is as written."""

    name: str
    value: str | None
    text: str


@functools.lru_cache(maxsize=1024)  # many facts ask for the running one
def split(command_line: str) -> tuple[Parameter, ...]:
    """The parameters of a command line in order. What follows a lone `--` belongs to init and is left out."""
    parameters = []
    for word in words(command_line):
        if word == "--":
            break
        parameters.append(parameter(word))
    return tuple(parameters)


def words(command_line: str) -> list[str]:
    """Words parted by white space; double quotes protect it, and stay in the words."""
    found: list[str] = []
    word, quoted = "", False
    for character in command_line:
        if character in _SPACES and not quoted:
            if word:
                found.append(word)
            word = ""
            continue
        quoted ^= character == '"'
        word += character
    return [*found, word] if word else found


def parameter(word: str) -> Parameter:
    """One word of a command line as a parameter, its quotes taken off as next_arg() does."""
    bare = word[1:].removesuffix('"') if word.startswith('"') else word
    name, equals, value = bare.partition("=")
    if value.startswith('"'):
        value = value[1:].removesuffix('"')
    return Parameter(name.replace("-", "_"), value if equals else None, word)


def values(parameters: Iterable[Parameter], name: str) -> tuple[str, ...]:
    """The values of every occurrence of `name`, in order; an occurrence without '=' counts as empty."""
    wanted = name.replace("-", "_")
    return tuple(p.value or "" for p in parameters if p.name == wanted)


def intel_iommu(parameters: Sequence[Parameter]) -> Switch | None:
    """What `intel_iommu=` says in the end; None when it says neither.

    A comma list, case-sensitive, matched by prefix (so `only` is on); the last on or off of all occurrences wins.
    """
    return _last_switch(values(parameters, "intel_iommu"))


def amd_iommu_off(parameters: Sequence[Parameter]) -> bool:
    """Whether `amd_iommu=` turns AMD-Vi off. There is no way back on by a later word, and `on` is not a word of it."""
    return _any_word(values(parameters, "amd_iommu"), "off")


def iommu_off(parameters: Sequence[Parameter]) -> bool:
    """Whether `iommu=off` (x86 only) keeps every vendor's driver from starting. Once said, it cannot be taken back."""
    return _any_word(values(parameters, "iommu"), "off")


def intremap(parameters: Sequence[Parameter]) -> Switch | None:
    """What `intremap=` says in the end about interrupt remapping; None when it says neither."""
    return _last_switch(values(parameters, "intremap"))


def isolation_weakened(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """Parameters, as written, that make IOMMU groups promise more isolation than the hardware gives.

    `pcie_acs_override=` is a patch outside the kernel that invents groups; `pci=disable_acs_redir=` and
    `pci=config_acs=` change real ACS settings (Documentation/admin-guide/kernel-parameters.txt).
    """
    return tuple(
        p.text
        for p in parameters
        if p.name == "pcie_acs_override"
        or (
            p.name == "pci"
            and any(w.startswith(("disable_acs_redir=", "config_acs=")) for w in (p.value or "").split(","))
        )
    )


def unsafe_vfio(parameters: Sequence[Parameter]) -> tuple[str, ...]:
    """Parameters, as written, that will switch an unsafe option of VFIO on when its module is loaded."""
    names = ("vfio_iommu_type1.allow_unsafe_interrupts", "vfio.enable_unsafe_noiommu_mode")
    # a switch without a value is on; kernel/params.c (param_set_bool, kstrtobool) takes y, Y, t, T, 1 and on
    return tuple(
        p.text
        for p in parameters
        if p.name in names and (p.value is None or p.value[:1] in ("y", "Y", "t", "T", "1") or p.value[:2] == "on")
    )


def obeys(parameters: Sequence[Parameter], wanted: Parameter) -> bool:
    """Whether a command line does what the parameter says.

    Of a parameter that is given several times the last one wins, but some collect all of theirs, and some are lists of
    words of which each counts.
    """
    given = [p for p in parameters if p.name == wanted.name]
    if wanted.name in _WORD_LISTS and wanted.value is not None:
        said = [p.value or "" for p in given]
        missing = set(wanted.value.split(",")) - {word for value in said for word in value.split(",")}
        switch = _last_switch([wanted.value])
        return not missing and (switch is None or _last_switch(said) == switch)
    if wanted.name in _COLLECTED or wanted.name.startswith(_COLLECTED_BY_OTHERS):
        return any(p.value == wanted.value for p in given)
    return bool(given) and given[-1].value == wanted.value


def _last_switch(occurrences: Iterable[str]) -> Switch | None:
    switch: Switch | None = None
    for value in occurrences:
        for word in value.split(","):
            if word.startswith("on"):
                switch = "on"
            elif word.startswith("off"):
                switch = "off"
    return switch


def _any_word(occurrences: Iterable[str], prefix: str) -> bool:
    return any(word.startswith(prefix) for value in occurrences for word in value.split(","))
