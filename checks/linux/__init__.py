"""How Linux behaves, as pure code: no input or output, no host, only rules of kernel and systemd."""
