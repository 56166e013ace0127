"""What is true, compared with what must be: read-only checks of hosts and guests."""
