"""The reboot drill: a host goes down, and what comes back is held against what was foretold."""
