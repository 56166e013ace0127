"""Options of drivers that make VFs as the driver is loaded: modprobe.d and the kernel's command line."""

from __future__ import annotations

from checks.bundle import Bundle
from checks.facts.persistence.found import Found, Host
from checks.linux import vf_options
from checks.linux.vf_claims import Claim
from checks.source import File, Source

_FOLDERS = tuple(f"{top}/modprobe.d" for top in ("/etc", "/run", "/usr/local/lib", "/usr/lib"))
_KEEP = r"^[[:space:]]*options[[:space:]].*(max_vfs|num_vfs)="

SOURCES: tuple[Source, ...] = tuple(File(f"{folder}/*.conf", keep=_KEEP) for folder in _FOLDERS)
_ADVICE = (
    "when the initramfs loads the driver, the option counts only once the initramfs is made anew "
    "(update-initramfs -u, dracut -f); the kernel calls such options deprecated"
)


def read(bundle: Bundle, host: Host, found: Found) -> None:
    """What the options of its driver do to every PF. Raises CouldNotLook."""
    winners: dict[str, str] = {}
    texts: dict[str, str] = {}
    for folder in _FOLDERS:
        for path, text in bundle.texts(f"{folder}/*.conf").items():
            winners.setdefault(path.rpartition("/")[2], path)
            texts[path] = text
    options = [o for _, path in sorted(winners.items()) for o in vf_options.options(path, texts[path])]
    options += vf_options.on_the_command_line(host.parameters.items())
    chosen = vf_options.last_for(options)
    for nic in host.nics:
        option = chosen.get(nic.driver.replace("-", "_"))
        if option is None or nic.totalvfs is None:
            continue
        count, acts, reason = vf_options.effect(option)
        found.add(
            nic,
            Claim(
                "modprobe",
                "modprobe option",
                option.where,
                option.text,
                (count,),
                effective=acts,
                reason=reason,
                advice=(_ADVICE,) if acts and option.where != "/proc/cmdline" else (),
            ),
        )
