"""This module lets `python -m longshore` be the command line."""

from longshore.cli.main import main

if __name__ == "__main__":
    main()
