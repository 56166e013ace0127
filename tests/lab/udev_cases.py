"""Rule files whose effect is known by trial only: the ordering matrix, the classes of mistakes, and the language.

Every case lies on a real host; udevd does what it does, the VFs are counted, and our forecast is compared with that.
"""

# ruff: noqa: E501 - a rule is one line

from __future__ import annotations

from dataclasses import dataclass, field

PF = "0000:01:00.0"
ETC, RUN, LIB = "/etc/udev/rules.d", "/run/udev/rules.d", "/usr/lib/udev/rules.d"
WRITE = 'ATTR{device/sriov_numvfs}="2"'
NET = 'ACTION=="add", SUBSYSTEM=="net", '
PCI = f'SUBSYSTEM=="pci", KERNEL=="{PF}", ATTR{{sriov_numvfs}}="2"\n'
DRIVER = 'ENV{ID_NET_DRIVER}=="igb"'
BY_ADDRESS = f'KERNELS=="{PF}"'
OURS = f"{NET}{BY_ADDRESS}, {WRITE}\n"
SH = "/bin/sh -c"


@dataclass(frozen=True)
class Case:
    """`files`: below /etc/udev/rules.d by name, or whole paths. `links`: symbolic links, made the same way.

    `telling`: part of every run. `kind`: the row of the matrix, or the class of the mistake.
    """

    kind: str
    name: str
    files: dict[str, str]
    links: dict[str, str] = field(default_factory=dict)
    telling: bool = False

    def paths(self) -> dict[str, str]:
        return {_whole(name): text for name, text in self.files.items()}

    def link_paths(self) -> dict[str, str]:
        return {_whole(name): target for name, target in self.links.items()}


def _whole(name: str) -> str:
    return name if name.startswith("/") else f"{ETC}/{name}"


def one(kind: str, name: str, rule: str, file: str = "90-case.rules", *, telling: bool = False) -> Case:
    return Case(kind, name, {file: rule if rule.endswith("\n") else rule + "\n"}, telling=telling)


MATRIX = (
    one("3.2", "right driver, a name after 50-", f"{NET}{DRIVER}, {WRITE}", "enp14s0f0.rules", telling=True),
    one("3.2", "right driver in 60-", f"{NET}{DRIVER}, {WRITE}", "60-sriov.rules"),
    one("3.2", "right driver in 10-", f"{NET}{DRIVER}, {WRITE}", "10-sriov.rules", telling=True),
    one("3.2", "DRIVERS in 10-", f'{NET}DRIVERS=="igb", {WRITE}', "10-sriov.rules"),
    one("3.2", "DRIVER on net", f'{NET}DRIVER=="igb", {WRITE}', telling=True),
    one("3.2", "KERNEL is the final name", f'{NET}KERNEL=="enp1s0", {WRITE}', telling=True),
    one("3.2", "NAME is the final name", f'{NET}NAME=="enp1s0", {WRITE}'),
    one("3.2", "NAME too early", f'{NET}NAME=="enp1s0", {WRITE}', "70-case.rules"),
    one("3.2", "KERNELS is the address", OURS),
    one("3.2", "pci bind", f'ACTION=="bind", {PCI}', telling=True),
    one("3.2", "pci add", f'ACTION=="add", {PCI}', telling=True),
    one("3.2", "pci add|bind", f'ACTION=="add|bind", {PCI}'),
    one("3.2", "ID_NET_NAME_PATH in 90-", f'{NET}ENV{{ID_NET_NAME_PATH}}=="enp1s0", {WRITE}'),
    one("3.2", "ID_NET_NAME_PATH in 70-", f'{NET}ENV{{ID_NET_NAME_PATH}}=="enp1s0", {WRITE}', "70-case.rules"),
    one("3.2", "ID_PATH in 90-", f'{NET}ENV{{ID_PATH}}=="pci-{PF}", {WRITE}'),
    one("3.2", "ID_PATH in 78-", f'{NET}ENV{{ID_PATH}}=="pci-{PF}", {WRITE}', "78-case.rules"),
    one("3.2", "ID_VENDOR_ID in 90-", f'{NET}ENV{{ID_VENDOR_ID}}=="0x8086", {WRITE}'),
    one("3.2", "ID_VENDOR_ID in 74-", f'{NET}ENV{{ID_VENDOR_ID}}=="0x8086", {WRITE}', "74-case.rules"),
    one("3.2", "ATTR{address}", f'{NET}ATTR{{address}}=="52:54:00:77:02:00", {WRITE}', "10-case.rules"),
    one("3.2", "ATTRS{vendor}", f'{NET}ATTRS{{vendor}}=="0x8086", {WRITE}', "10-case.rules"),
    one("3.2", "net without ACTION, final name", f'SUBSYSTEM=="net", KERNEL=="enp1s0", {WRITE}'),
    one("3.2", "net move", f'ACTION=="move", SUBSYSTEM=="net", {WRITE}'),
)

MISTAKES = (
    one(
        "E1",
        "another driver (the seed's)",
        f'{NET}ENV{{ID_NET_DRIVER}}=="ixgbe", {WRITE}',
        "enp14s0f0.rules",
        telling=True,
    ),
    one("E2", "INTERFACE is the final name", f'{NET}ENV{{INTERFACE}}=="enp1s0", {WRITE}'),
    one("E3", "= where == was meant", f'{NET}ENV{{ID_NET_DRIVER}}="ixgbe", {WRITE}'),
    one("E4", "ACTION assigned", f'ACTION="add", SUBSYSTEM=="net", {WRITE}'),
    one("E5", "== where = was meant", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=="2"'),
    one("E6", "no quotes", f"{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=2"),
    one("E6", "single quotes", f"ACTION=='add', {BY_ADDRESS}, {WRITE}"),
    one("E6", "typographic quotes", f"{NET}KERNELS==\u201c{PF}\u201d, {WRITE}"),
    one("E6", "byte order mark", f"\ufeff{OURS}"),
    one("E6", "byte order mark, second rule", f"\ufeff# ours\n{OURS}"),
    one("E7", "comment behind the rule", f"{OURS.strip()} # ours", telling=True),
    one("E8", "unknown key", f'ACTION=="add", SUBSYTEM=="net", {WRITE}'),
    one("E8", "SYSFS{}", f'{NET}SYSFS{{vendor}}=="0x8086", {WRITE}'),
    one("E9", "ATTRS assigned", f'{NET}{BY_ADDRESS}, ATTRS{{device/sriov_numvfs}}="2"'),
    one("E10", "pci change", f'ACTION=="change", {PCI}'),
    one("E11", "path of pci on net", f'{NET}{BY_ADDRESS}, ATTR{{sriov_numvfs}}="2"', telling=True),
    one("E11", "path of net on pci", f'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="{PF}", {WRITE}'),
    one("E11", "a variable in the path", f'{NET}{BY_ADDRESS}, ATTR{{$env{{X}}device/sriov_numvfs}}="2"'),
    one("E12", "no .rules", OURS, "90-case.rule"),
    Case("E12", "replaced by /etc", {f"{RUN}/90-case.rules": OURS, "90-case.rules": "# nothing\n"}),
    Case("E12", "masked by a link", {f"{RUN}/90-case.rules": OURS}, {"90-case.rules": "/dev/null"}),
    Case("E12", "masked by an empty file", {f"{RUN}/90-case.rules": OURS, "90-case.rules": ""}),
    Case("E12", "masked by a link to nothing", {f"{RUN}/90-case.rules": OURS}, {"90-case.rules": "/nonexistent"}),
    Case("E12", "not masked from below", {f"{RUN}/90-case.rules": OURS}, {f"{LIB}/90-case.rules": "/dev/null"}),
    one("E12", "GOTO over it", f'SUBSYSTEM=="net", GOTO="end"\n{OURS}LABEL="end"'),
    one("E12", "GOTO without a label", f'SUBSYSTEM=="net", GOTO="nowhere"\n{OURS}', telling=True),
    one("E12", "label above the GOTO", f'LABEL="end"\nSUBSYSTEM=="net", GOTO="end"\n{OURS}'),
    one("E12", "GOTO jumps onto the rule", f'SUBSYSTEM=="net", GOTO="it"\nACTION=="x", GOTO="it"\nLABEL="it", {OURS}'),
    one("E13", "two actions", f'ACTION=="change", {OURS}'),
    one("E13", "two drivers of one parent", f'{NET}DRIVERS=="igb", DRIVERS=="pcieport", {WRITE}'),
    one("E14", "more than totalvfs", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="8"'),
    one("E14", "space before", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=" 2"', telling=True),
    one("E14", "space behind", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="2 "'),
    one("E14", "words", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="2 VFs"'),
    one("E14", "octal", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="010"'),
    one("E14", "leading zero", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="02"'),
    one("E14", "hexadecimal", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="0x3"'),
    one("E14", "plus", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="+3"'),
    one("E14", "negative", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="-1"'),
    one("E14", "empty", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=""'),
    one("E15", "two rules", OURS + OURS.replace('"2"', '"3"'), telling=True),
    one("E15", "3, then 0, then 1", "".join(OURS.replace('"2"', f'"{n}"') for n in (3, 0, 1))),
    one("E15", "net makes 2, pci change wants 0", OURS + f'ACTION=="change", {PCI}'.replace('"2"', '"0"')),
    one("E16", "a VF", f'{NET}KERNELS=="0000:01:10.0", {WRITE}'),
    one("E16", "an address that is not there", f'{NET}KERNELS=="0000:05:00.0", {WRITE}'),
    one("E16", "a NIC that is not there", f'{NET}NAME=="enp9s0", {WRITE}'),
    one("E17", "inner quotes lost", f"{NET}{BY_ADDRESS}, {WRITE}".replace('"', "")),
)

LANGUAGE = (
    one("3.1", "continuation with a comment", f"{NET} \\\n# between\n  {BY_ADDRESS}, \\\n {WRITE}"),
    one("3.1", "space after the backslash", f"{NET} \\ \n  {BY_ADDRESS}, {WRITE}"),
    one("3.1", "ends in a continuation", f"{OURS.strip()} \\"),
    one("3.1", "Windows line ends", f"{NET} \\\r\n{BY_ADDRESS}, {WRITE}\r\n"),
    one("3.1", "a line of 20,000", f"{OURS}# {'x' * 20000}\n"),
    one("3.1", "no commas", f'ACTION=="add" SUBSYSTEM=="net" {BY_ADDRESS} {WRITE}'),
    one("3.1", "globs and alternatives", f'ACTION=="change|add", SUBSYSTEM=="net", KERNELS=="0000:0[!23]:*", {WRITE}'),
    one("3.1", "class of characters", f'{NET}KERNELS=="0000:[[:digit:]]1:??.0", {WRITE}'),
    one("3.1", "empty alternative", f'{NET}{BY_ADDRESS}, ENV{{NO_SUCH}}=="x|", {WRITE}'),
    one("3.1", "?* for anything", f'{NET}{BY_ADDRESS}, ENV{{NO_SUCH}}=="?*", {WRITE}'),
    one("3.1", "!= of what is missing", f'{NET}{BY_ADDRESS}, ENV{{NO_SUCH}}!="1", {WRITE}'),
    one(
        "3.1",
        "!= of an attribute that is missing",
        f'{NET}{BY_ADDRESS}, ATTR{{no_such}}!="1", {WRITE}',
    ),
    one("3.1", "not the same parent", f'{NET}{BY_ADDRESS}, DRIVERS=="pcieport", {WRITE}'),
    one("3.1", "the same parent", f'{NET}{BY_ADDRESS}, DRIVERS=="igb", ATTRS{{device}}=="0x10c9", {WRITE}'),
    one("3.1", "case is ignored with i", f'{NET}{BY_ADDRESS}, DRIVERS==i"IGB", {WRITE}'),
    one("3.1", "an escaped string", f'{NET}{BY_ADDRESS}, DRIVERS==e"ig\\x62", {WRITE}'),
    one("3.1", "braces without a name", f'ACTION{{}}=="add", SUBSYSTEM=="net", {BY_ADDRESS}, {WRITE}'),
    one("3.1", "an unknown option", f'{NET}{BY_ADDRESS}, OPTIONS+="no_such", {WRITE}'),
    one(
        "3.1",
        "TAG and TEST",
        f'{NET}{BY_ADDRESS}, TAG+="ours"\n{NET}TAG=="ours", TEST=="device/sriov_totalvfs", {WRITE}',
    ),
    one("3.1", "TEST of physfn", f'{NET}{BY_ADDRESS}, TEST!="device/physfn", {WRITE}'),
    one("3.1", "CONST{arch}", f'{NET}{BY_ADDRESS}, CONST{{arch}}=="x86-64", {WRITE}'),
    one("3.1", "dmi/id", f'{NET}{BY_ADDRESS}, ATTR{{[dmi/id]sys_vendor}}=="QEMU*", {WRITE}'),
    one(
        "3.1",
        "ENV of an earlier rule",
        f'{NET}{BY_ADDRESS}, ENV{{N}}="3"\n{NET}ENV{{N}}=="?*", ATTR{{device/sriov_numvfs}}="$env{{N}}"',
    ),
    one(
        "3.1", "assigned in udevd's order", f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}="$env{{N}}", ENV{{N}}="3"'
    ),
    one(
        "3.1",
        "an attribute read after a write",
        f'{OURS}{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=="2", ATTR{{device/sriov_numvfs}}="0"',
    ),
    one(
        "3.1",
        "an attribute read before a write",
        f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=="0", {WRITE}\n'
        f'{NET}{BY_ADDRESS}, ATTR{{device/sriov_numvfs}}=="2", ATTR{{device/sriov_numvfs}}="0"',
    ),
    one(
        "3.1",
        "the parent of a rule before",
        f'{NET}{BY_ADDRESS}, TAG+="x"\n{NET}ENV{{D}}="$driver"\n{NET}ENV{{D}}=="igb", TAG=="x", {WRITE}',
    ),
    one(
        "3.1",
        "IMPORT{parent}",
        f'{NET}{BY_ADDRESS}, IMPORT{{parent}}="PCI_ID", ENV{{PCI_ID}}=="8086:10C9", {WRITE}'.replace(
            ", ENV{PCI_ID}", f"\n{NET}ENV{{PCI_ID}}"
        ),
    ),
    one("3.1", "a parameter of the kernel", f'{NET}{BY_ADDRESS}, IMPORT{{cmdline}}="intel_iommu", {WRITE}'),
    one("3.1", "a reference to the PF", f'{NET}{BY_ADDRESS}, ATTR{{[pci/{PF}]sriov_numvfs}}="2"'),
    one("3.1", "through the parents' folders", f'{NET}{BY_ADDRESS}, ATTR{{../../sriov_numvfs}}="2"'),
    one(
        "3.1",
        "a star in the path",
        f'ACTION=="bind", SUBSYSTEM=="pci", KERNEL=="{PF}", ATTR{{net/*/device/sriov_numvfs}}="2"',
    ),
)

PROGRAMS = (
    one("RUN", "echo by address", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\"", telling=True),
    one("RUN", "echo by %k", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/class/net/%k/device/sriov_numvfs'\""),
    one("RUN", "echo by $name", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/class/net/$name/device/sriov_numvfs'\""),
    one("RUN", "echo by the shell's INTERFACE", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/class/net/$$INTERFACE/device/sriov_numvfs'\""),
    one("RUN", "echo by the final name", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/class/net/enp1s0/device/sriov_numvfs'\""),
    one("RUN", "no shell", f'{NET}{BY_ADDRESS}, RUN+="/bin/echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs"'),
    one("RUN", "no path", f"{NET}{BY_ADDRESS}, RUN+=\"sh -c 'echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\""),
    one("RUN", "2> in place of 2 >", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2> /sys/bus/pci/devices/{PF}/sriov_numvfs'\""),
    one("RUN", "two commands, and tee", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 1 > /sys/bus/pci/devices/{PF}/sriov_numvfs; echo 0 > /sys/bus/pci/devices/{PF}/sriov_numvfs && echo 3 | tee /sys/bus/pci/devices/{PF}/sriov_numvfs'\""),
    one("RUN", "replaced by a later rule", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\"\n{NET}{BY_ADDRESS}, RUN=\"/bin/true\""),
    one("RUN", "final", f"{NET}{BY_ADDRESS}, RUN:=\"{SH} 'echo 2 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\"\n{NET}{BY_ADDRESS}, RUN=\"/bin/true\""),
    one("RUN", "after all rules", f"{NET}{BY_ADDRESS}, RUN+=\"{SH} 'echo 3 > /sys/bus/pci/devices/{PF}/sriov_numvfs'\"\n{OURS}"),
)  # fmt: skip

CASES = MATRIX + MISTAKES + LANGUAGE + PROGRAMS
