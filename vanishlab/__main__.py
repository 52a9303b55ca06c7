"""`python -m vanishlab` is the `vanishlab` command."""

from vanishlab.cli import main

if __name__ == "__main__":
    main()
