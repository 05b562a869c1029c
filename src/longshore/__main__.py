"""This module starts the command line, as `longshore` and as `python -m longshore`."""

import signal


def main() -> None:
    """Runs the command line. Until that can say what Ctrl-C did, which takes 0.1 s of imports, Ctrl-C just ends it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from longshore.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
