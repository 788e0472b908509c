"""Following files and pipes: rotation, positions that survive a restart, lines that belong together."""
