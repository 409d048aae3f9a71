"""Running a repository's ``hubconf.py``, for its weights alone and in a process of its own.

The program is not ours and imports what it likes: torchvision brings a compiler that crashes a
process which has TensorFlow in it. Only tensors come back, read as those of any other file.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from transferkit.backbones.torch_hub import state
from transferkit.backbones.torch_hub.published import checkpoints
from transferkit.errors import WeightsError, WeightsNotFoundError, explain

__all__ = ["PROGRAM", "run"]

PROGRAM = "hubconf.py"
_BRANCHES = ("main", "master")


def run(place: str, entry: str) -> state.StateDict:
    """Call an entry of a ``hubconf.py`` with its pretrained weights: its network's tensors.

    Args:
        place: The folder, or ``owner/repository`` or ``owner/repository:branch`` where PyTorch
            keeps what it downloaded.
        entry: The function to call.

    Raises:
        MissingExtraError: If PyTorch is not installed.
        WeightsNotFoundError: If there is no such folder.
        WeightsError: If the program fails, or gives no network.
    """
    state.torch_for(f"torch:{place}:{entry}")
    folder = _folder(place)
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "state.pth"
        child = Path(__file__).with_name("hub_child.py")
        command = [sys.executable, str(child), str(folder), entry, str(file)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode or not file.is_file():
            raise _failed(place, entry, done.stderr)
        return state.read(str(file))


def _folder(place: str) -> Path:
    if (Path(place) / PROGRAM).is_file():
        return Path(place)
    repository, _, branch = place.partition(":")
    stem = repository.replace("/", "_")
    hub = checkpoints().parent
    names = [branch] if branch else _BRANCHES
    tried = [hub / f"{stem}_{name.replace('/', '_')}" for name in names]
    found = next((folder for folder in tried if (folder / PROGRAM).is_file()), None)
    if found is None:
        raise WeightsNotFoundError(
            explain(
                "weights",
                f"the repository {place} is not on this machine",
                expected=f"its {PROGRAM} in {tried[0]}",
                received={"name": f"torch:{place}"},
                mend=f"git clone https://github.com/{repository} {tried[0]}",
            )
        )
    return found


def _failed(place: str, entry: str, errors: str) -> WeightsError:
    last = (errors.strip().splitlines() or ["it said nothing"])[-1]
    return WeightsError(
        explain(
            "weights",
            f"{entry} of {place} gave no network: {last}",
            expected=f"an entry of its {PROGRAM} that gives a torch.nn.Module",
            received={"name": f"torch:{place}:{entry}"},
        )
    )
