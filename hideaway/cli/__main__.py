"""`python -m hideaway.cli`: the command line where no script of it is installed."""

from hideaway.cli import main

main()
