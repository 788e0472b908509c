"""`python -m logboom`."""

from logboom.cli import main

main()
