"""Virtual environments of the baselines: made once, made anew when their requirements change."""

import hashlib
import platform
import shutil
import subprocess
import sys
from pathlib import Path

DEFAULT = Path(__file__).parents[2] / ".cache" / "baselines"
"""Where the environments are kept; git ignores it."""


def prepared(name: str, requirements: Path, venvs: Path) -> Path:
    """The ``bin`` of an environment with these requirements; installs them if need be."""
    # Absolute, as programs are started in other directories; not resolved beyond that.
    folder = venvs.absolute() / name
    stamp = folder / ".installed"
    wanted = hashlib.sha256(
        f"{platform.python_version()}\n{sys.executable}\n".encode() + requirements.read_bytes()
    ).hexdigest()
    if not (stamp.exists() and stamp.read_text() == wanted):
        print(f"installing {name} into {folder} ...", file=sys.stderr, flush=True)
        shutil.rmtree(folder, ignore_errors=True)
        _checked(sys.executable, "-m", "venv", str(folder))
        _checked(
            *(str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--requirement", str(requirements)),
        )
        stamp.write_text(wanted)  # last: what broke off is made anew
    return folder / "bin"


def _checked(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
