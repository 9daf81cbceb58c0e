"""Install the built wheel into a clean environment, as people do, and see whether it works.

No constraints are used: what is tried is the newest of everything that fits. Prints one JSON object
with seconds and sizes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import tempfile
import time
import venv
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMPORT = (
    "import sys, time; start = time.process_time(); import sentixrl; loaded = time.process_time();"
    "sentixrl.load; used = time.process_time();"
    "print(round(loaded - start, 3), round(used - start, 3), 'torch' in sys.modules)"
)
MOST_SECONDS = 0.3
"""How long importing the core may take, in seconds of the processor."""


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return what it prints."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout.strip()


def size_of(folder: Path) -> int:
    """Megabytes of all files below a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) // 1_000_000


def core(bin: Path, wheel: Path, here: Path) -> dict[str, object]:
    """The package alone: light, and it says what it lacks in one sentence."""
    run(bin / "python", "-m", "pip", "install", "--quiet", wheel, cwd=here)
    warm = [run(bin / "python", "-c", IMPORT, cwd=here) for _ in range(3)]
    seconds, used, torch = min(warm).split()
    if torch != "False" or float(seconds) > MOST_SECONDS:
        raise SystemExit(f"importing the core took {seconds} s (torch: {torch})")
    command = [str(bin / "sentixrl"), "classify", "--text", "It works!"]
    refused = subprocess.run(command, cwd=here, capture_output=True, text=True)
    if refused.returncode != 2 or "[local]" not in refused.stderr:
        raise SystemExit(f"it does not say which extra runs models:\n{refused.stderr}")
    return {
        "import_seconds": float(seconds),
        "import_and_load_seconds": float(used),
        "core_mb": size_of(bin.parent.parent),
    }


def local(bin: Path, wheel: Path, here: Path, torch_index: str | None) -> dict[str, object]:
    """With models: install, classify."""
    pip = (bin / "python", "-m", "pip", "install", "--quiet")
    start = time.perf_counter()
    if torch_index:
        run(*pip, "--index-url", torch_index, "torch", cwd=here)
    run(*pip, f"{wheel}[local]", cwd=here)
    installed = time.perf_counter() - start
    run(bin / "sentixrl", "models", "install", cwd=here)
    start = time.perf_counter()
    answer = json.loads(
        run(bin / "sentixrl", "classify", "--text", "It works!", "--json", cwd=here)
    )
    return {
        "install_seconds": round(installed),
        "classify_seconds": round(time.perf_counter() - start, 1),
        "label": answer["utterances"][0]["label"],
        "local_mb": size_of(bin.parent.parent),
    }


def main() -> None:
    """Build, install, try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-index", help="an index of torch's builds for CPUs")
    parser.add_argument("--core", action="store_true", help="try the package without extras alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        venv.create(here / "env", with_pip=True)
        bin = here / "env" / "bin"
        run(
            bin / "python", "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", here, ROOT, cwd=here
        )
        [wheel] = here.glob("*.whl")
        found: dict[str, object] = {
            "python": platform.python_version(),
            "wheel_mb": round(wheel.stat().st_size / 1e6, 1),
            **core(bin, wheel, here),
        }
        if not options.core:
            found |= local(bin, wheel, here, options.torch_index)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
