"""``sentixrl`` and ``python -m sentixrl``: the way in, light enough to be there at once.

Contract: Ctrl-C ends with exit code 130 and one word, also while libraries are still being loaded
and while the process is leaving.
"""

from __future__ import annotations

import atexit
import os
import signal
import sys

from sentixrl.cli.exits import EXIT_INTERRUPTED


class _Leaving:
    """The end of the process; Python kills itself by the signal where that came in an import."""

    code: int | None = None

    def __call__(self) -> None:
        """Leave with our own code, if there is one."""
        if self.code is not None:
            for stream in filter(None, (sys.stdout, sys.stderr)):
                stream.flush()
            os._exit(self.code)


def main() -> None:
    """Run the command line; the process's exit code says how it went."""
    leaving = _Leaving()
    atexit.register(leaving)  # the first to be registered is the last to be called
    try:
        from sentixrl.cli.starting import uncollected

        with uncollected():
            from sentixrl.cli.main import main as run_and_exit
        run_and_exit()
    except KeyboardInterrupt:
        leaving.code = EXIT_INTERRUPTED
        if sys.stderr is not None:
            sys.stderr.write("Stopped.\n")
        sys.exit(EXIT_INTERRUPTED)
    except SystemExit as left:
        leaving.code = EXIT_INTERRUPTED if left.code == EXIT_INTERRUPTED else None
        raise
    finally:  # what libraries clean up takes its time
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    main()
