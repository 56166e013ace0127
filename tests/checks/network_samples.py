"""Networks as libvirt 11.3.0 (Debian 13) wrote them on the lab's kvm-1: a pool by its PF, a list, and a bridge."""

from __future__ import annotations

from checks.bundle import Bundle

_HEAD = """<!--
WARNING: THIS IS AN AUTO-GENERATED FILE. CHANGES TO IT ARE LIKELY TO BE
OVERWRITTEN AND LOST. Changes to this xml configuration should be made using:
  virsh net-edit NAME
or other application using the libvirt API.
-->

"""
SECRET = "geheim-7f3a"  # planted, to be looked for

POOL = """<network>
  <name>vf-pool</name>
  <uuid>83d372bd-368b-4153-8036-312a02659c24</uuid>
  <forward mode='hostdev' managed='yes'>
    <pf dev='enp1s0f0'/>
  </forward>
  <vlan>
    <tag id='42'/>
  </vlan>
</network>
"""
POOL_ACTIVE = """<network>
  <name>vf-pool</name>
  <uuid>83d372bd-368b-4153-8036-312a02659c24</uuid>
  <forward mode='hostdev' managed='yes'>
    <pf dev='enp1s0f0'/>
    <address type='pci' domain='0x0000' bus='0x01' slot='0x10' function='0x0'/>
    <address type='pci' domain='0x0000' bus='0x01' slot='0x10' function='0x2'/>
  </forward>
  <vlan>
    <tag id='42'/>
  </vlan>
</network>
"""
LIST = """<network>
  <name>vf-list</name>
  <uuid>959a3892-271a-495d-b504-50b7c4b9398a</uuid>
  <forward mode='hostdev' managed='yes'>
    <driver name='vfio'/>
    <address type='pci' domain='0x0000' bus='0x02' slot='0x10' function='0x2'/>
  </forward>
</network>
"""
CONTROL = """<network>
  <name>control</name>
  <uuid>9315f2ff-977e-4627-8679-1745dbc3f571</uuid>
  <forward mode='open'/>
  <bridge name='virbr-control' stp='off' delay='0'/>
  <mac address='52:54:00:eb:60:a2'/>
  <dns enable='no'/>
  <ip address='192.168.78.1' netmask='255.255.255.0'>
  </ip>
</network>
"""

TABLE = """ Name      State      Autostart   Persistent
----------------------------------------------
 control   active     yes         yes
 default   inactive   no          yes
 vf-list   active     yes         yes
 vf-pool   active     no          yes

"""


def stored(xml: str) -> str:
    """A file of /etc/libvirt/qemu/networks."""
    return _HEAD + xml


def status(xml: str) -> str:
    """A file of /run/libvirt/network."""
    inner = "\n".join(f"  {line}" for line in xml.splitlines())
    return f"{_HEAD}<networkstatus>\n  <class_id bitmap='0-2'/>\n  <floor sum='0'/>\n{inner}\n</networkstatus>\n"


def host(
    defined: dict[str, str] | None = None,
    active: dict[str, str] | None = None,
    by_themselves: tuple[str, ...] = ("control", "vf-list"),
) -> Bundle:
    """The files of libvirt's networks; by default all three are active."""
    defined = {"vf-pool": POOL, "vf-list": LIST, "control": CONTROL} if defined is None else defined
    active = {**defined, **({"vf-pool": POOL_ACTIVE} if "vf-pool" in defined else {})} if active is None else active
    files: dict[str, str | bytes] = {}
    files |= {f"/etc/libvirt/qemu/networks/{name}.xml": stored(xml) for name, xml in defined.items()}
    files |= {f"/run/libvirt/network/{name}.xml": status(xml) for name, xml in active.items()}
    names = {
        "/etc/libvirt/qemu/networks": ("autostart", *(f"{name}.xml" for name in defined)),
        "/etc/libvirt/qemu/networks/autostart": tuple(f"{name}.xml" for name in by_themselves),
        "/run/libvirt/network": tuple(f"{name}.xml" for name in active),
    }
    return Bundle.of("kvm-1", files=files, names=names)
