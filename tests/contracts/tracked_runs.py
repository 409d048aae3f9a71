"""Reads back what trackers wrote, with the readers of their own packages where there are any."""

from __future__ import annotations

import csv
import json
import re
import textwrap
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from tracked import Read
from wandb_file import records

__all__ = ["read_mlflow", "read_tensorboard", "read_wandb"]


# ---------------------------------------------------------------------------------- TensorBoard


def read_tensorboard(folder: Path) -> Read:
    """What TensorBoard would show of a folder: of what came again the last alone."""
    module = import_module("tensorboard.backend.event_processing.plugin_event_accumulator")
    events = module.EventAccumulator(str(folder), {"tensors": 0})
    events.Reload()
    read = Read()
    for tag in events.Tags()["tensors"]:
        about = events.SummaryMetadata(tag)
        points = [(each.step, _array(each.tensor_proto)) for each in events.Tensors(tag)]
        plugin, last = about.plugin_data.plugin_name, points[-1][1]
        if plugin == "scalars":
            read.numbers[tag] = [(step, float(value)) for step, value in points]
        elif plugin == "text":
            read.texts[tag] = textwrap.dedent(last.item().decode())
        else:
            assert last[2].startswith(b"\x89PNG")
            read.pictures.setdefault(tag.split("/")[0], []).append(about.summary_description)
    read.config = json.loads(read.texts["config"])
    lines = read.texts.get("confusion", "").splitlines()
    read.tables["confusion"] = [re.split(r"  +", line.strip()) for line in lines]
    read.files = {path.name: path.read_bytes() for path in folder.glob("*.tkm")}
    return read


def _array(proto: Any) -> Any:
    return import_module("tensorboard.util.tensor_util").make_ndarray(proto)


# ---------------------------------------------------------------------------------- W&B


def read_wandb(folder: Path) -> Read:
    """The last run that was written offline, in all folders that belong to it."""
    (last,) = folder.glob("wandb/latest-run/*.wandb")
    read = Read()
    for path in sorted(folder.glob(f"wandb/offline-run-*/{last.name}")):
        for record in _whole(path):
            kind = record.WhichOneof("record_type")
            if kind == "config":
                values = {each.key: json.loads(each.value_json) for each in record.config.update}
                read.config |= values
            elif kind == "history":
                _point(read, path.parent / "files", _nested(record.history.item))
            elif kind == "artifact" and record.artifact.type == "model":
                for each in record.artifact.manifest.contents:
                    read.files[each.path] = Path(each.local_path).read_bytes()
            elif kind == "exit":
                read.complete = record.exit.exit_code == 0
    return read


def _whole(path: Path) -> list[Any]:
    """All records up to the last one: W&B closes its file a moment after a run has ended."""
    for _ in range(300):
        found = list(records(path)) if path.stat().st_size else []
        if found and found[-1].WhichOneof("record_type") == "exit":
            return found
        time.sleep(0.1)
    raise AssertionError(f"{path} has no end")


def _nested(items: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in items:
        *above, name = item.nested_key or [item.key]
        inner = found
        for each in above:
            inner = inner.setdefault(each, {})
        inner[name] = json.loads(item.value_json)
    return found


def _point(read: Read, files: Path, values: dict[str, Any]) -> None:
    step = values.pop("step")
    for name, value in values.items():
        kind = value.get("_type") if isinstance(value, dict) else None
        if kind == "html-file":
            page = (files / value["path"]).read_text(encoding="utf-8")
            read.texts[name] = page
        elif kind == "table-file":
            table = json.loads((files / value["path"]).read_text(encoding="utf-8"))
            read.tables[name] = [table["columns"], *table["data"]]
        elif kind == "images/separated":
            assert all((files / each).is_file() for each in value["filenames"])
            read.pictures[name] = value["captions"]
        elif not name.startswith("_"):
            read.numbers.setdefault(name, []).append((step, float(value)))


# ---------------------------------------------------------------------------------- MLflow


def read_mlflow(folder: Path) -> Read:
    """The run that was begun last."""
    client = import_module("mlflow").MlflowClient()
    experiments = [each.experiment_id for each in client.search_experiments()]
    (run, *_) = client.search_runs(experiments, order_by=["attributes.start_time DESC"])
    run_id = run.info.run_id
    read = Read(complete=run.info.status == "FINISHED")
    for name in run.data.metrics:
        history = client.get_metric_history(run_id, name)
        read.numbers[name] = [(each.step, each.value) for each in history]
    for path in _artifacts(client, run_id):
        data = Path(client.download_artifacts(run_id, path, str(folder))).read_bytes()
        name, _, kind = path.rpartition(".")
        _artifact(read, name, kind, data)
    assert run.data.params["seed"] == str(read.config["seed"])
    return read


def _artifact(read: Read, name: str, kind: str, data: bytes) -> None:
    if kind == "tkm":
        read.files[f"{name}.{kind}"] = data
    elif kind == "json":
        read.config = json.loads(data)
    elif kind == "txt":
        read.texts[name] = data.decode()
    elif name.endswith("/captions"):
        read.pictures[name.split("/")[0]] = [words for _, words in _table(data)[1:]]
    elif kind == "csv":
        read.tables[name] = _table(data)


def _table(data: bytes) -> list[list[str]]:
    return list(csv.reader(data.decode().splitlines()))


def _artifacts(client: Any, run_id: str, folder: str | None = None) -> Iterator[str]:
    for each in client.list_artifacts(run_id, folder):
        if each.is_dir:
            yield from _artifacts(client, run_id, each.path)
        else:
            yield each.path
