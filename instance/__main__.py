"""`python -m instance` is `konsil`."""

from instance.cli import main

main()
