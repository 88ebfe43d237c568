"""Where the command `nurture` begins. Ctrl-C while the program is still being read ends it quietly."""

import sys


def run() -> None:
    """Run one command of `nurture.cli`."""
    try:
        from nurture.cli import main

        main()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    run()
