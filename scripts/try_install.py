"""Install the built wheel into a clean environment, as people do, and see whether it works.

    python scripts/try_install.py [--core] [--tool uv|pipx] [--out results/installs.json]

No constraints are used: what is tried is the newest of everything that fits. Prints one JSON object
with seconds and sizes, and adds it to the file that ``--out`` names. Run it with each Python.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import venv
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMPORT = (
    "import sys, time; start = time.process_time(); import sentixrl; loaded = time.process_time();"
    "sentixrl.load; used = time.process_time();"
    "print(round(loaded - start, 3), round(used - start, 3), 'torch' in sys.modules)"
)
MOST_SECONDS = 0.3
"""How long importing the core may take, in seconds of the processor."""


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """Run a command and return what it prints."""
    environment = {**os.environ, **variables}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, capture_output=True, text=True, env=environment
    )
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
    return {
        "install_seconds": round(installed),
        **answered(bin / "sentixrl", here),
        "local_mb": size_of(bin.parent.parent),
    }


def answered(command: Path, here: Path) -> dict[str, object]:
    """What the installed command answers with the default model, which is installed first."""
    run(command, "models", "install", cwd=here)
    start = time.perf_counter()
    answer = json.loads(run(command, "classify", "--text", "It works!", "--json", cwd=here))
    return {
        "classify_seconds": round(time.perf_counter() - start, 1),
        "label": answer["utterances"][0]["label"],
    }


def by_tool(name: str, bin: Path, wheel: Path, here: Path) -> dict[str, object]:
    """As a command of its own, by ``uv tool`` or ``pipx``."""
    run(bin / "python", "-m", "pip", "install", "--quiet", name, cwd=here)
    tools, commands = here / "tools", here / "commands"
    places = {
        "UV_TOOL_DIR": str(tools), "UV_TOOL_BIN_DIR": str(commands), "UV_PYTHON": sys.executable,
        "PIPX_HOME": str(tools), "PIPX_BIN_DIR": str(commands),
        "PIPX_DEFAULT_PYTHON": sys.executable,
    }  # fmt: skip
    verb = ("tool", "install") if name == "uv" else ("install",)
    start = time.perf_counter()
    run(bin / name, *verb, f"{wheel}[local]", cwd=here, **places)
    installed = time.perf_counter() - start
    return {
        "install_seconds": round(installed),
        **answered(commands / "sentixrl", here),
        "local_mb": size_of(tools),
    }


def add(found: dict[str, object], out: Path) -> None:
    """Put a finding into a file, in the place of an earlier one of the same kind."""
    kind = ("python", "by")
    known = json.loads(out.read_text("utf-8")) if out.is_file() else {"runs": []}
    others = [one for one in known["runs"] if any(one[key] != found[key] for key in kind)]
    runs = sorted([*others, found], key=lambda one: [str(one[key]) for key in kind])
    what = "Clean environments without constraints: seconds and megabytes"
    content = {"what": what, "command": "python scripts/try_install.py --out FILE", "runs": runs}
    out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def main() -> None:
    """Build, install, try."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-index", help="an index of torch's builds for CPUs")
    parser.add_argument("--core", action="store_true", help="try the package without extras alone")
    parser.add_argument("--tool", choices=("uv", "pipx"), help="install it with this instead")
    parser.add_argument("--out", type=Path, help="a JSON file to add what is found to")
    options = parser.parse_args()
    if options.tool and (options.core or options.torch_index):
        parser.error("--tool excludes --core and --torch-index")
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
            "by": options.tool or ("pip, without extras" if options.core else "pip"),
            "date": datetime.now(UTC).date().isoformat(),
            "wheel_mb": round(wheel.stat().st_size / 1e6, 1),
        }
        if options.tool:
            found |= by_tool(options.tool, bin, wheel, here)
        else:
            found |= core(bin, wheel, here)
            if not options.core:
                found |= local(bin, wheel, here, options.torch_index)
    print(json.dumps(found))
    if options.out is not None:
        add(found, options.out)


if __name__ == "__main__":
    main()
