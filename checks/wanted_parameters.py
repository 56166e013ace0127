"""A parameter in the three layers, and what to do about the layer that lacks it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.facts.boot_parameters import BootParameters, NextBoot
from checks.linux.kernel_parameters import Parameter, obeys, parameter
from checks.outcome import CouldNotLook
from inventory.model import Host


@dataclass(frozen=True, slots=True)
class Layers:
    """Where one wanted parameter is. None: that layer is not known, or no file is its source."""

    text: str
    running: bool
    next_boot: bool | None
    source: bool | None


def layers(boot: BootParameters, wanted: Parameter) -> Layers:
    """Where the parameter is, as far as each layer is known."""
    following = boot.next_boot
    return Layers(
        text=wanted.text,
        running=obeys(boot.running, wanted),
        next_boot=None if isinstance(following, CouldNotLook) else obeys(following.parameters, wanted),
        source=in_source(boot, wanted),
    )


def in_source(boot: BootParameters, wanted: Parameter) -> bool | None:
    """Whether the configuration asks for the parameter; None when it is not known, or the tools read no file."""
    configured = boot.configured
    if configured is None or isinstance(configured, CouldNotLook):
        return None
    return obeys([one for parameters in configured.values() for one in parameters], wanted)


def all_layers(boot: BootParameters, wanted_host: Host) -> tuple[Layers, ...]:
    """The layers of every parameter that the inventory wants."""
    return tuple(layers(boot, parameter(text)) for text in wanted_host.kernel_parameters)


def places(boot: BootParameters) -> str:
    """The files that are the source, for a message."""
    configured = boot.configured
    if configured is None or isinstance(configured, CouldNotLook) or not configured:
        return "the boot loader's configuration"
    return ", ".join(configured)


def given(parameters: Sequence[Parameter], text: str) -> str:
    """What a command line says of the parameter of that name, for a message."""
    name = parameter(text).name
    found = [one.text for one in parameters if one.name == name]
    return f"'{' '.join(found)}'" if found else f"no {name}"


def next_words(following: NextBoot | CouldNotLook) -> str:
    """Where the entry that boots next was read, for a message."""
    return "the entry that boots next" if isinstance(following, CouldNotLook) else following.where
