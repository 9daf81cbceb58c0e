"""A run that takes its time, to be killed: ``python -m tests.runs.slow_run FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from sentixrl.evaluation.running import answer_all
from sentixrl.runs import RunFolder
from tests.runs.small import classifier, dataset, identity

DIALOGUES = 60


def main(folder: Path, seconds: float) -> None:
    data, model = dataset(DIALOGUES), classifier(seconds=seconds)
    sys.stdout.write("go\n")
    sys.stdout.flush()
    with RunFolder(folder, identity(model, data)) as run:
        run.begin_session({"command": "slow"})
        answer_all(model, data.dialogues, run)
    sys.stdout.write("done\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
