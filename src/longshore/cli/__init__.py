"""This package is the command line: one file per family of commands, each imported when it is called."""
