"""`python -m logboom.cli`."""

from logboom.cli import main

main()
