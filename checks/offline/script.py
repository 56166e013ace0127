"""The gather as a script of its own, for a host that nobody may log into: run there by the host's administrator.

It prints a bundle. What a controller would choose, the script makes when it runs: the time, and the boundary between
the sections, from /dev/urandom. A boundary that stood in the script would be known to whoever can read the script, and
he could write sections of his own into any text on the host; that of a run is known to nobody before its end.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from checks.contents import source_to_json
from checks.gather import body
from checks.source import Source
from checks.stream import FORMAT_VERSION, MAGIC

_HEAD = """\
#!/bin/sh
# What vfproof reads of a {role}, as one script: POSIX sh, nothing to install. It writes nothing, changes nothing and
# opens no connection; it prints what it read (a bundle), for 'vfproof check --bundles DIR' to judge elsewhere.
#
#   umask 077; sh {name} > NAME.vfb         NAME as the inventory calls this machine; gzip afterwards if you like
#
# Run it as root: what the user may not read is marked as such, and cannot be judged. Of files that can hold secrets
# only the lines that matter are printed. The functions come first; what is read stands at the end.
# shellcheck disable=SC2016,SC2034,SC2086,SC2154

vfproof_gather() {{
if [ -t 1 ]; then
    echo 'it prints a bundle, which is nothing to look at: sh {name} > NAME.vfb' >&2
    return 2
fi
VFP_B=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \\n')
if [ ${{#VFP_B}} != 32 ]; then
    echo 'there is no boundary for the sections: od, tr or /dev/urandom is missing here' >&2
    return 2
fi
[ "$(id -u)" = 0 ] || echo 'not root: what this user may not read is left out, and is marked as such' >&2
VFP_SUDO=0 VFP_PASS=user VFP_ONLY='' VFP_BODY=''
"""
_FOOT = """\
}
vfproof_gather
"""


def standalone(sources: Sequence[Source], role: str) -> str:
    """The script for these sources. A shell reads all of it before anything runs, so that half of it does nothing."""
    head = _HEAD.format(role=role, name="vfproof-gather.sh")
    return head + _envelope(sources) + body(sources) + _FOOT


def _envelope(sources: Sequence[Source]) -> str:
    """The shell line that prints the bundle's first line."""
    known = {MAGIC: FORMAT_VERSION, "machine": None, "sources": [source_to_json(one) for one in sources]}
    start = shlex.quote(json.dumps(known).removesuffix("}"))
    ending = """, "taken_at": "%s", "boundary": "%s"}\\n"""
    return f"""printf '%s{ending}' {start} "$(date -u +%Y-%m-%dT%H:%M:%S+00:00)" "$VFP_B"\n"""
