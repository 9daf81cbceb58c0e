"""The ``sentixrl`` command and ``python -m sentixrl``: the way in, light enough to be there at once.

Contract: Ctrl-C ends with exit code 130 and one word, also while libraries are still being loaded
and while the process is leaving.
"""

from __future__ import annotations

import signal
import sys

EXIT_INTERRUPTED = 130


def main() -> None:
    """Run the command line; the process's exit code says how it went."""
    try:
        from sentixrl.cli.main import main as run_and_exit

        run_and_exit()
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write("Stopped.\n")
        sys.exit(EXIT_INTERRUPTED)
    finally:  # what libraries clean up takes its time
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
