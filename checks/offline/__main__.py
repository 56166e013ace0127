"""`python -m checks.offline gather|anonymise ...`, as the door starts it."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from checks.offline.anonymise import anonymising
from checks.offline.gathering import gathering
from checks.offline.words import USAGE, Unusable, parsed
from checks.outcome import CouldNotLook
from inventory.loading import InventoryError
from reports.run_folder import RunFolderProblem

INTERRUPTED = 130


def main(words: Sequence[str]) -> int:
    """Do what the words say; the exit status."""
    try:
        wanted = parsed(words)
        return gathering(wanted) if wanted.command == "gather" else anonymising(wanted)
    except (Unusable, InventoryError, RunFolderProblem, CouldNotLook) as error:
        print(f"vfproof: {error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        print("vfproof: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
