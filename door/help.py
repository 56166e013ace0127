"""What `--help` says."""

from __future__ import annotations

EXIT_STATUSES = """\
Exit status:
  0  ready: every statement holds
  1  something is broken, and the report says what, where it was read and what to do
  4  the command line or the inventory cannot be used
  5  nothing ran
  6  nothing is broken, but something could not be looked at
  130  interrupted"""

OVERVIEW = f"""\
vfproof proves that an SR-IOV host is fit to carry guests: its IOMMU, its VFs across reboots, its guests' NIC names,
and their bonds when a link goes.

  ./vfproof demo                    the main job on machines that are not there: nothing to set up, minutes to a report
  ./vfproof check [HOST|GUEST ...]  compare hosts and guests with the inventory; reads only
  ./vfproof gather [HOST|GUEST ...] write down what they are, to be judged elsewhere: check --bundles DIR
  ./vfproof anonymise BUNDLE ...    the same without names and addresses, for a bug report
  ./vfproof drill [GUEST ...]       switch the active slave of a guest's bond, watch the wire, give it back
  ./vfproof drill --reboot HOST     reboot a host, and see that its VFs and guests come back as foretold
  ./vfproof discover ssh://HOST     print an inventory of what is there now
  ./vfproof sudoers USER            what a gather needs of root, as a sudoers file
  ./vfproof compare BEFORE AFTER    two runs: what changed, and whether it matters
  ./vfproof lab up|down|status|ssh|console   the embedded lab by hand
  ./vfproof test                    the project's own tests

  ./vfproof COMMAND --help          more about one of them

The first hosts of your own:
  ./vfproof discover ssh://root@HOST > inventory.yaml    what is there now; read it, and edit it
  ./vfproof check                             the report is in reports/runs/

Under check, drill and test stands plain pytest, and every option of it passes through:
  ./vfproof check -k iommu -v --tb=short

{EXIT_STATUSES}
"""

COMMANDS = {
    "demo": f"""\
./vfproof demo [TOPOLOGY] [pytest option ...]

Boots the embedded lab, checks everything in it, drills its bonds, writes one report, says where that is, and takes the
lab down again. It needs no SR-IOV hardware, no KVM and no network but a Debian mirror, from which it builds its
machines on first use. Nothing outside its own network namespaces is touched.

  TOPOLOGY   sriov (default): a KVM host with two SR-IOV PFs and a guest on its VFs
             bond: a guest with a bond, and a neighbour; up in seconds
             upgrade: that host on Linux 6.1; it is accepted, gets Linux 6.12 by apt, reboots, is accepted again,
                      and both runs are compared
             upgrade-guest: the same with systemd of a guest, 252 to 257, by which a NIC loses its name

  ./vfproof demo
  ./vfproof demo bond -v
  ./vfproof demo upgrade

After an upgrade the status is that of the first of before, after and the comparison (worse: 1) that is not 0.

{EXIT_STATUSES}
""",
    "check": f"""\
./vfproof check [-i FILE] [HOST|GUEST ...] [test file ...] [pytest option ...]

Reads hosts and guests, each over one connection and with one script that writes nothing, and compares them with the
inventory. Without names, all of them. The report goes to reports/runs/<time>/report.html.

  -i FILE              the inventory (default: inventory.yaml here)
  --bundles DIR        judge the bundles and sosreports in this folder; no machine is contacted
  --processes N        judge the bundles of many machines in so many processes (default: one per processor)
  --run-folder DIR     where report, results and evidence go
  --baseline RUN       compare with an earlier run, by its folder: told, on the page, and as comparison.json; what got
                       worse is exit status 1, and a baseline that cannot be compared with is 6 in place of 0
  --advice-is-broken   what holds but deserves attention counts as broken

  ./vfproof check                              everything
  ./vfproof check -i site.yaml kvm-01          one host
  ./vfproof check -k vf -v                     statements with 'vf' in their name
  ./vfproof check checks/test_iommu.py         one file of statements
  ./vfproof check ./site-checks                your own (docs/site-checks.md)
  ./vfproof check --collect-only -q            which statements there are; touches no host

{EXIT_STATUSES}
""",
    "anonymise": """\
./vfproof anonymise BUNDLE ... -o DIR [-i FILE]

Writes the bundles once more, with which nobody can tell whose they are, and which are judged alike: host and user
names, MACs (their vendor's half stays), IPv4 and IPv6 addresses, UUIDs, serial numbers and SSH keys are replaced, the
same ones by the same ones in all bundles of one call. Look at the result before you send it away: texts may tell more.

  -i FILE    the inventory, written into DIR as inventory.yaml with the same replacements, so that
             ./vfproof check -i DIR/inventory.yaml --bundles DIR judges as before
  -o DIR     where they go; it must be new or empty

  ./vfproof anonymise bundles/*.vfb.gz -i inventory.yaml -o to-share

Exit status:
  0  all of them were written
  4  the command line or the inventory cannot be used, or a file is no bundle
  130  interrupted
""",
    "gather": """\
./vfproof gather [-i FILE] [HOST|GUEST ...] [-o DIR]
./vfproof gather --script host|guest >vfproof-gather.sh

Writes one bundle per machine, NAME.vfb.gz: all that the checks want to read of it, taken over one connection and with
one script that writes nothing there. Secrets stay on the machine. Judge the bundles anywhere: check --bundles DIR

  -i FILE      the inventory (default: inventory.yaml here)
  -o DIR       where bundles go (default: bundles; files there of the same names are replaced)
  --script     print that script instead, for a machine that nobody may log into. Its administrator runs it:
                 sh vfproof-gather.sh >kvm-01.vfb
               and you put the file into DIR, named as the inventory names the machine.

  ./vfproof gather -o bundles
  ./vfproof check --bundles bundles

Exit status:
  0  every bundle is there and whole
  4  the command line or the inventory cannot be used
  6  a machine could not be looked at, or not all of it; the others' bundles are there
  130  interrupted
""",
    "drill": f"""\
./vfproof drill [-i FILE] [GUEST ...] [pytest option ...]
./vfproof drill [-i FILE] --reboot HOST

Switches the active slave of a guest's bond and back again, while a neighbour on the guest's network watches the wire,
and judges what it saw against the inventory's budgets. Only guests with `drill: {{permitted: true}}` are touched. The
guest arms its own undo timer before anything is switched, so that it comes back as it was even if this machine dies.

  -i FILE              the inventory (default: inventory.yaml here)
  --run-folder DIR     where report, capture and figures go
  --switch-by WAY      ifenslave, iproute2 or sysfs, whatever the inventory says
  --repeat N           do everything N times in one run, and tell how much the rounds differ
  --reboot HOST        reboot this host instead, with all guests on it, and see that everything comes back as wanted and
                       as the check foretold; it and they must permit it (drill: {{reboot: true}}); there is no undo

  ./vfproof drill
  ./vfproof drill guest-01 -v
  ./vfproof drill --reboot kvm-01

{EXIT_STATUSES}
""",
    "discover": f"""\
./vfproof discover ssh://root@HOST ... [ssh://root@GUEST ...] [option ...]

Looks at the machines, each over one connection and with one script that writes nothing, and prints an inventory of
what is there now, commented, to be edited. Its own checks hold on those machines; what is wrong there is written as it
should be, and marked BROKEN. Which machine is a host and which a guest is told by what they have; guests are tied to
their host by the MACs of their VFs. Guests that were not named, but that libvirt knows, stand there commented out.

  --guest NAME=ssh://root@GUEST   a guest, by libvirt's name of it
  --ssh-config FILE               OpenSSH client configuration to use in place of yours
  --sudo                          use `sudo -n` there for what this user may not read

  ./vfproof discover ssh://root@kvm-01 ssh://root@guest-01 > inventory.yaml
  ./vfproof check -i inventory.yaml

{EXIT_STATUSES}
""",
    "sudoers": f"""\
./vfproof sudoers USER [--guest]

Prints a sudoers file for a user who is not root, with every command that a gather runs as root where the inventory has
`sudo: true`, and nothing else: each is one whole, constant command that reads. Without it (and without sudo) a gather
works too; what the user may not read is then marked as denied, and statements that need it could not look.

  USER      the user on the machine; %GROUP and #UID work as in sudoers
  --guest   for guests; without it, for hosts

  ./vfproof sudoers watcher > vfproof.sudoers
  visudo -cf vfproof.sudoers    and install it on the host as /etc/sudoers.d/vfproof, owner root, mode 0440

{EXIT_STATUSES}
""",
    "lab": """\
./vfproof lab up [TOPOLOGY] | down | status | ssh NODE [COMMAND ...] | console NODE | reboot NODE | upgrade

The embedded lab by hand. `lab up` outlives its terminal; `lab down` leaves nothing behind.
""",
    "compare": """\
./vfproof compare BEFORE AFTER [--json FILE] [--html FILE]

Two run folders, of before and after an upgrade say: which statements came out otherwise, which facts changed, what most
likely changed them and which of that breaks something, and whether drills got slower (ten repeats or more on both
sides). Neither a machine nor the network is needed.

  --json FILE          the same for programs; - for standard output and nothing else
  --html FILE          the same as a page

  ./vfproof check --run-folder before
  ./vfproof check --run-folder after
  ./vfproof compare before after --html upgrade.html

Exit status:
  0  nothing got worse
  1  a statement that held is broken or could not be looked at, a fact breaks something, or a drill got slower
  4  wrong usage, or a folder that is no whole run
""",
    "test": """\
./vfproof test [test file ...] [pytest option ...]

The project's own tests, those in the embedded lab included, and the time that each area took. What takes many minutes
runs only with -m.

  ./vfproof test
  ./vfproof test tests/inventory -x
  ./vfproof test -m "not lab and not long"     the fast ones
  ./vfproof test -m long                       the slow ones

Exit status: pytest's. 0 all passed, 1 some failed, 4 wrong usage, 5 none found, 130 interrupted.
""",
}
