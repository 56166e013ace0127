"""`./vfproof discover`: an inventory of what is there now, for an engineer to edit."""
