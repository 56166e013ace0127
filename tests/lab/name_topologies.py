"""PCI layouts of guests: each as libvirt's domain XML, and as the devices that libvirt would start for it.

One table, rendered twice, so that the predictor is fed XML and the booted guest has the same addresses. Machine types,
controllers and video were held against libvirt 11.3 (`virsh domxml-to-native qemu-argv`, which drops NICs' addresses).
"""

from __future__ import annotations

from dataclasses import dataclass

I440FX = "pc-i440fx-10.0"
Q35 = "pc-q35-10.0"
_DRIVERS = {"virtio": "virtio-net-pci"}
_BRIDGES = {
    "pci-bridge": "pci-bridge,chassis_nr={index}",
    "pcie-root-port": "pcie-root-port,port={port},chassis={index}",
    "pcie-to-pci-bridge": "pcie-pci-bridge",
    "dmi-to-pci-bridge": "i82801b11-bridge",
    "pcie-switch-upstream-port": "x3130-upstream",
    "pcie-switch-downstream-port": "xio3130-downstream,port={port},chassis={index}",
}


@dataclass(frozen=True)
class At:
    """A guest PCI address as libvirt writes it."""

    bus: int
    slot: int
    function: int = 0
    multifunction: bool = False

    def xml(self) -> str:
        multi = " multifunction='on'" if self.multifunction else ""
        place = f"bus='0x{self.bus:02x}' slot='0x{self.slot:02x}' function='0x{self.function:x}'"
        return f"<address type='pci' domain='0x0000' {place}{multi}/>"

    def qemu(self, root: str) -> str:
        bus = root if self.bus == 0 else f"pci.{self.bus}"
        multi = ",multifunction=on" if self.multifunction else ""
        return f"bus={bus},addr=0x{self.slot:x}.0x{self.function:x}{multi}"


@dataclass(frozen=True)
class Bridge:
    index: int
    model: str
    at: At


@dataclass(frozen=True)
class Nic:
    at: At
    acpi_index: int | None = None
    model: str = "virtio"


@dataclass(frozen=True)
class Topology:
    """A guest's PCI layout. `qemu_only`: what no XML of libvirt's own says, but <qemu:commandline> can."""

    title: str
    machine: str
    nics: tuple[Nic, ...]
    bridges: tuple[Bridge, ...] = ()
    video: bool = True
    qemu_only: tuple[str, ...] = ()

    @property
    def is_q35(self) -> bool:
        return "q35" in self.machine

    def mac(self, number: int) -> str:
        return f"52:54:00:77:50:{number:02x}"

    def xml(self) -> str:
        root = "pcie-root" if self.is_q35 else "pci-root"
        lines = [f"    <controller type='pci' index='0' model='{root}'/>"]
        for one in self.bridges:
            lines += [f"    <controller type='pci' index='{one.index}' model='{one.model}'>"]
            lines += [f"      {one.at.xml()}", "    </controller>"]
        for number, nic in enumerate(self.nics):
            lines += ["    <interface type='ethernet'>", f"      <mac address='{self.mac(number)}'/>"]
            lines += [f"      <model type='{nic.model}'/>"]
            lines += [f"      <acpi index='{nic.acpi_index}'/>"] if nic.acpi_index is not None else []
            lines += [f"      {nic.at.xml()}", "    </interface>"]
        if self.video:
            lines += ["    <video>", "      <model type='vga' vram='16384' heads='1' primary='yes'/>"]
            lines += [f"      {At(0, 1 if self.is_q35 else 2).xml()}", "    </video>"]
        devices = "\n".join(lines)
        return (
            "<domain type='qemu' id='1'>\n  <name>guest</name>\n  <memory unit='MiB'>256</memory>\n  <os>\n"
            f"    <type arch='x86_64' machine='{self.machine}'>hvm</type>\n  </os>\n"
            f"  <devices>\n{devices}\n  </devices>\n</domain>\n"
        )

    def qemu(self) -> tuple[str, ...]:
        root = "pcie.0" if self.is_q35 else "pci.0"
        devices = []
        for one in self.bridges:
            port = one.at.slot if "switch" in one.model else one.at.slot << 3 | one.at.function
            driver = _BRIDGES[one.model].format(index=one.index, port=port)
            devices.append(f"{driver},id=pci.{one.index},{one.at.qemu(root)}")
        for number, nic in enumerate(self.nics):
            index = f",acpi-index={nic.acpi_index}" if nic.acpi_index is not None else ""
            driver = _DRIVERS.get(nic.model, nic.model)
            # The ROM for booting over the network is left out: it costs a second a NIC, and decides no name.
            devices.append(f"{driver},id=net{number},mac={self.mac(number)},{nic.at.qemu(root)}{index},romfile=")
        if self.video:
            devices.append(f"VGA,id=video0,vgamem_mb=16,{At(0, 1 if self.is_q35 else 2).qemu(root)}")
        return (*(word for device in devices for word in ("-device", device)), *self.qemu_only)


def _ports(*, count: int) -> tuple[Bridge, ...]:
    """Root ports as libvirt makes them: functions of slot 2."""
    return tuple(
        Bridge(n, "pcie-root-port", At(0, 2, n - 1, multifunction=n == 1 and count > 1)) for n in range(1, count + 1)
    )


_PCI_BRIDGE = Bridge(1, "pci-bridge", At(0, 5))
_TO_PCI = Bridge(2, "pcie-to-pci-bridge", At(1, 0))
_DMI = Bridge(1, "dmi-to-pci-bridge", At(0, 30))

TOPOLOGIES = (
    Topology("i440fx, root bus slot 3", I440FX, (Nic(At(0, 3)),)),
    Topology("i440fx, multifunction 4.0 and 4.1", I440FX, (Nic(At(0, 4, 0, True), model="e1000"), Nic(At(0, 4, 1)))),
    Topology("i440fx, pci-bridge slots 1 and 2", I440FX, (Nic(At(1, 1)), Nic(At(1, 2))), (_PCI_BRIDGE,)),
    Topology(
        "i440fx, slot 3 of the root bus and of a pci-bridge", I440FX, (Nic(At(0, 3)), Nic(At(1, 3))), (_PCI_BRIDGE,)
    ),
    Topology("q35, root ports", Q35, (Nic(At(1, 0)), Nic(At(2, 0))), _ports(count=2)),
    Topology("q35, root bus slot 3", Q35, (Nic(At(0, 3)),)),
    Topology(
        "q35, a root port with a slot number of its own, native hotplug",
        Q35,
        (Nic(At(1, 0)),),
        _ports(count=1),
        qemu_only=("-global", "pcie-root-port.slot=5", "-global", "ICH9-LPC.acpi-pci-hotplug-with-bridge-support=off"),
    ),
    Topology(
        "q35, a root port with a slot number of its own, ACPI hotplug",
        Q35,
        (Nic(At(1, 0)),),
        _ports(count=1),
        qemu_only=("-global", "pcie-root-port.slot=5"),
    ),
    Topology("q35, pcie-to-pci-bridge slots 1 and 2", Q35, (Nic(At(2, 1)), Nic(At(2, 2))), (*_ports(count=1), _TO_PCI)),
    Topology("q35, dmi-to-pci-bridge slots 1 and 2", Q35, (Nic(At(1, 1)), Nic(At(1, 2))), (_DMI,)),
    Topology(
        "q35, acpi index on a root port and on the root bus", Q35, (Nic(At(1, 0), 7), Nic(At(0, 3), 8)), _ports(count=1)
    ),
    Topology(
        "i440fx, acpi index on the root bus and on a pci-bridge, one slot number",
        I440FX,
        (Nic(At(0, 3), 7), Nic(At(1, 3), 8)),
        (_PCI_BRIDGE,),
    ),
    Topology(
        "q35, igb behind a root port", Q35, (Nic(At(1, 0), model="igb"), Nic(At(2, 0), model="igb")), _ports(count=2)
    ),
    # Beyond the table of domain.md
    Topology(
        "i440fx, two pci-bridges",
        I440FX,
        (Nic(At(1, 1)), Nic(At(2, 1)), Nic(At(2, 2)), Nic(At(1, 7))),
        (Bridge(1, "pci-bridge", At(0, 5)), Bridge(2, "pci-bridge", At(0, 6))),
    ),
    Topology(
        "i440fx, two pci-bridges, the first empty",
        I440FX,
        (Nic(At(2, 1)), Nic(At(2, 5)), Nic(At(2, 9))),
        (Bridge(1, "pci-bridge", At(0, 5)), Bridge(2, "pci-bridge", At(0, 6))),
    ),
    Topology(
        "i440fx, a pci-bridge below a pci-bridge",
        I440FX,
        (Nic(At(1, 1)), Nic(At(2, 2)), Nic(At(2, 4))),
        (Bridge(1, "pci-bridge", At(0, 5)), Bridge(2, "pci-bridge", At(1, 6))),
    ),
    Topology("i440fx, no video", I440FX, (Nic(At(0, 2)), Nic(At(1, 2)), Nic(At(1, 1))), (_PCI_BRIDGE,), video=False),
    Topology(
        "i440fx, multifunction on a pci-bridge",
        I440FX,
        (Nic(At(1, 1, 0, True)), Nic(At(1, 1, 1)), Nic(At(1, 4, 0, True)), Nic(At(1, 4, 1))),
        (_PCI_BRIDGE,),
    ),
    Topology(
        "q35, two pcie-to-pci-bridges",
        Q35,
        (Nic(At(3, 1)), Nic(At(4, 1)), Nic(At(4, 2)), Nic(At(3, 5))),
        (*_ports(count=2), Bridge(3, "pcie-to-pci-bridge", At(1, 0)), Bridge(4, "pcie-to-pci-bridge", At(2, 0))),
    ),
    Topology(
        "q35, a pci-bridge below a dmi-to-pci-bridge",
        Q35,
        (Nic(At(2, 1)), Nic(At(2, 2)), Nic(At(1, 1))),
        (_DMI, Bridge(2, "pci-bridge", At(1, 3))),
    ),
    Topology(
        "q35, a switch below a root port",
        Q35,
        (Nic(At(3, 0)), Nic(At(4, 0))),
        (
            *_ports(count=1),
            Bridge(2, "pcie-switch-upstream-port", At(1, 0)),
            Bridge(3, "pcie-switch-downstream-port", At(2, 0)),
            Bridge(4, "pcie-switch-downstream-port", At(2, 1)),
        ),
    ),
    Topology(
        "q35, root ports out of order",
        Q35,
        (Nic(At(1, 0)), Nic(At(2, 0))),
        (Bridge(1, "pcie-root-port", At(0, 4)), Bridge(2, "pcie-root-port", At(0, 3))),
    ),
    Topology("q35, multifunction behind a root port", Q35, (Nic(At(1, 0, 0, True)), Nic(At(1, 0, 1))), _ports(count=1)),
    Topology("q35, multifunction on the root bus, slot 16", Q35, (Nic(At(0, 16, 0, True)), Nic(At(0, 16, 1)))),
    Topology("i440fx, the highest acpi index", I440FX, (Nic(At(0, 3), 16383),)),
)
