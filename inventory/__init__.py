"""What must be true: the inventory an engineer writes, typed."""
