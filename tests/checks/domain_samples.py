"""Domains as libvirt 11 stores and runs them, one tag a line; and the PFs of their host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from checks.bundle import Bundle
from checks.facts.pci import Pf, Vf

MAC_1 = "52:54:00:77:00:10"
MAC_2 = "52:54:00:77:00:11"
VF_1 = "0000:01:10.0"
VF_2 = "0000:02:10.0"
SECRET = "geheim-7f3a"  # planted, to be looked for


@dataclass(frozen=True)
class Hostdev:
    source: str | None = VF_1
    mac: str | None = MAC_1
    bus: int | None = 1
    slot: int = 0
    managed: bool = True
    vlan: int | None = None
    acpi_index: int | None = None
    multifunction: bool = False

    def xml(self) -> str:
        lines = [f"    <interface type='hostdev' managed='{'yes' if self.managed else 'no'}'>"]
        if self.mac:
            lines.append(f"      <mac address='{self.mac}'/>")
        lines += ["      <driver name='vfio'/>", "      <source>"]
        if self.source:
            domain, bus, rest = self.source.split(":")
            slot, function = rest.split(".")
            where = f"domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'"
            lines.append(f"        <address type='pci' {where}/>")
        lines.append("      </source>")
        if self.vlan:
            lines += ["      <vlan>", f"        <tag id='{self.vlan}'/>", "      </vlan>"]
        if self.acpi_index:
            lines.append(f"      <acpi index='{self.acpi_index}'/>")
        if self.bus is not None:
            multi = " multifunction='on'" if self.multifunction else ""
            place = f"domain='0x0000' bus='0x{self.bus:02x}' slot='0x{self.slot:02x}' function='0x0'{multi}"
            lines.append(f"      <address type='pci' {place}/>")
        return "\n".join([*lines, "    </interface>"])


TWO_VFS = (Hostdev(), Hostdev(VF_2, MAC_2, 2))

VIRTIO = """    <interface type='network'>
      <mac address='52:54:00:78:00:21'/>
      <source network='control' portid='c2d' bridge='virbr1'/>
      <target dev='vnet0'/>
      <model type='virtio'/>
      <alias name='net0'/>
      <address type='pci' domain='0x0000' bus='0x03' slot='0x00' function='0x0'/>
    </interface>"""


def domain(name: str = "guest-1", interfaces: tuple[Hostdev, ...] = TWO_VFS, *, machine: str = "pc-q35-10.0") -> str:
    ports = "\n".join(_port(n) for n in (1, 2, 3))
    handed = "\n".join(one.xml() for one in interfaces)
    return f"""<domain type='kvm' id='1' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>{name}</name>
  <uuid>8c5b0b0c-0000-4000-8000-000000000001</uuid>
  <metadata>
    <site:notes xmlns:site="http://site.example/">
      {SECRET}
      <name>not-the-name</name>
    </site:notes>
  </metadata>
  <os>
    <type arch='x86_64' machine='{machine}'>hvm</type>
    <boot dev='hd'/>
  </os>
  <sysinfo type='fwcfg'>
    <entry name='opt/com.example/ignition'>first line
{SECRET}</entry>
  </sysinfo>
  <cpu mode='custom' match='exact'>
    <model fallback='forbid'>EPYC</model>
  </cpu>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='network' device='disk'>
      <source protocol='https' name='disk.img' query='token={SECRET}'>
        <host name='images.example' port='443'/>
      </source>
      <target dev='vda' bus='virtio'/>
      <address type='pci' domain='0x0000' bus='0x04' slot='0x00' function='0x0'/>
    </disk>
    <controller type='usb' index='0' model='qemu-xhci'>
      <address type='pci' domain='0x0000' bus='0x05' slot='0x00' function='0x0'/>
    </controller>
    <controller type='pci' index='0' model='pcie-root'/>
{ports}
{handed}
{VIRTIO}
    <graphics type='vnc' port='5900' autoport='yes' listen='127.0.0.1' passwd='{SECRET}'>
      <listen type='address' address='127.0.0.1'/>
    </graphics>
    <video>
      <model type='vga' vram='16384' heads='1' primary='yes'/>
      <address type='pci' domain='0x0000' bus='0x00' slot='0x01' function='0x0'/>
    </video>
  </devices>
  <qemu:commandline>
    <qemu:arg value='{SECRET}'/>
  </qemu:commandline>
</domain>
"""


def _port(number: int) -> str:
    multi = " multifunction='on'" if number == 1 else ""
    place = f"domain='0x0000' bus='0x00' slot='0x02' function='0x{number - 1}'{multi}"
    return f"""    <controller type='pci' index='{number}' model='pcie-root-port'>
      <model name='pcie-root-port'/>
      <target chassis='{number}' port='0x{15 + number:x}'/>
      <address type='pci' {place}/>
    </controller>"""


def status(xml: str, state: str = "running") -> str:
    inner = "\n".join(f"  {line}" for line in xml.splitlines())
    devices = "  <devices>\n    <device alias='net0'/>\n  </devices>"
    return f"<domstatus state='{state}' reason='booted' pid='812'>\n{devices}\n{inner}\n</domstatus>\n"


def stored_file(xml: str) -> str:
    without_id = xml.replace(" id='1'", "", 1)
    return f"<!--\nWARNING: THIS IS AN AUTO-GENERATED FILE.\n-->\n\n{without_id}"


def host(stored: dict[str, str] | None = None, live: dict[str, str] | None = None) -> Bundle:
    """The files of libvirt; by default guest-1, which runs as it is stored."""
    stored = {"guest-1": domain()} if stored is None else stored
    live = {"guest-1": domain()} if live is None else live
    files: dict[str, str | bytes] = {f"/etc/libvirt/qemu/{n}.xml": stored_file(xml) for n, xml in stored.items()}
    files |= {f"/run/libvirt/qemu/{n}.xml": xml if "domstatus" in xml else status(xml) for n, xml in live.items()}
    names = {
        "/etc/libvirt/qemu": (*(f"{n}.xml" for n in stored), "networks"),
        "/run/libvirt/qemu": tuple(f"{n}.xml" for n in live),
    }
    return Bundle.of("kvm-1", files=files, names=names)


def pf(name: str, address: str, *vfs: Vf) -> Pf:
    return Pf(
        address=address,
        driver="igb",
        netdevs=(name,),
        up=True,
        mac="52:54:00:77:01:01",
        totalvfs=7,
        numvfs=len(vfs),
        offset=128,
        stride=2,
        autoprobe=True,
        vfs=vfs,
        incomplete=None,
        device_path=f"devices/pci0000:00/{address}",
    )


def vf(index: int, address: str, mac: str | None = "00:00:00:00:00:00", **values: object) -> Vf:
    given: dict[str, Any] = {
        "driver": "vfio-pci",
        "netdev": None,
        "vlan": 0,
        "trust": False,
        "link_state": "auto",
        **values,
    }
    return Vf(index=index, address=address, admin_mac=mac, **given)


PFS = (
    pf("enp1s0f0", "0000:01:00.0", vf(0, VF_1, MAC_1), vf(1, "0000:01:10.2", driver="igbvf")),
    pf("enp2s0f0", "0000:02:00.0", vf(0, VF_2, MAC_2), vf(1, "0000:02:10.2", driver="igbvf")),
)
