"""The command line: what `./vfproof` hands over to. It starts the other rooms as processes of their own."""
