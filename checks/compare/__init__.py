"""Two runs side by side: what changed on the machines, what it did to the statements, and whether that matters."""
