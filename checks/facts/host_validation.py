"""What libvirt's own check of a host says. It is shown to a person as evidence; no statement goes by it.

It is known to be wrong: for the IOMMU it looks for the ACPI table of the CPU's own vendor (a virtual Intel IOMMU under
an AMD CPU is "not supported by this hardware platform"), or wants intel_iommu=on where the kernel needs no parameter.
"""

from __future__ import annotations

import re

from checks.bundle import Bundle, CommandFailed
from checks.outcome import CouldNotLook
from checks.source import Command, Source

_VALIDATE = "virt-host-validate qemu"
_LINE = re.compile(r"^\s*QEMU: (?P<what>.*?)\s*: (?P<result>FAIL|WARN|NOTE)\s*(?:\((?P<hint>.*)\))?\s*$", re.MULTILINE)

SOURCES: tuple[Source, ...] = (Command(_VALIDATE),)


def parse(bundle: Bundle) -> tuple[str, ...]:
    """Everything that it does not plainly pass, in its words; nothing where there is no such program. Raises nothing.

    Source: libvirt tools/virt-host-validate.c; it ends with status 1 when one of its checks fails.
    """
    try:
        text = bundle.output(_VALIDATE) or ""
    except CommandFailed as error:
        text = error.stdout.decode("utf-8", "replace")
    except CouldNotLook as problem:
        return (str(problem),)
    return tuple(
        f"{one['what']}: {one['result']}" + (f" ({one['hint']})" if one["hint"] else "") for one in _LINE.finditer(text)
    )
