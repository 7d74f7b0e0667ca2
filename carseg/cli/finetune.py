"""``carseg finetune``: one option for each field of ``carseg.TrainingConfig``."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import Field, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from carseg._env import rank
from carseg.cli.options import (
    DataFormatOption,
    HubOption,
    LabelsOption,
    MapOption,
    network_size,
    resolve_with_progress,
)
from carseg.cli.terminal import ProgressBar, echo, err
from carseg.training import Hook, RunStart, Step, TrainingConfig, read_start


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command an option for each field of ``TrainingConfig``, with the field's type, default and help."""
    signature = inspect.signature(command, eval_str=True)
    own = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    kinds = get_type_hints(TrainingConfig)
    added = [_parameter(field, kinds[field.name]) for field in fields(TrainingConfig)]
    command.__signature__ = signature.replace(parameters=[*own, *added])  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *added)}
    return command


def _parameter(field: Field[Any], kind: Any) -> inspect.Parameter:
    default, metavar, help = field.default, None, field.metadata["help"]
    if field.name == "size":
        kind, metavar = str | None, "SIDE|HEIGHTxWIDTH"
    elif field.name == "freeze":
        kind, default, help = list[str] | None, None, f"{help} Can be repeated."
    # Given explicitly, the name keeps typer from adding --no-... to flags.
    name = field.metadata["option"] or f"--{field.name.replace('_', '-')}"
    option = typer.Option(name, metavar=metavar, help=help, show_default=default is not None and default is not False)
    return inspect.Parameter(
        field.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, option]
    )


@_with_settings
def finetune(
    context: typer.Context,
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model, the folder of a fine-tuned one, or an architecture with random weights."
        ),
    ],
    data: Annotated[Path, typer.Argument(metavar="DATA", exists=True, help="Labelled images, in any known format.")],
    out: Annotated[Path, typer.Option("--out", "-o", file_okay=False, help="Folder of the run.")],
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run in --out, with its options.")] = False,
    data_format: DataFormatOption = "auto",
    labels: LabelsOption = None,
    map: MapOption = None,
    hub: HubOption = None,
    **settings: Any,
) -> None:
    """Train a network on your own images or classes.

    Prints the folder of the best weights, RUN/best, which works wherever a model is asked for. Run `carseg data check
    DATA` first, to find problems in the data.
    """
    from carseg.architectures import list_architectures
    from carseg.cli.process import prepare
    from carseg.data import parse_mapping
    from carseg.training import finetune as train

    settings |= {"size": network_size(settings["size"]), "freeze": tuple(settings["freeze"] or ())}
    sources = {name: context.get_parameter_source(name) for name in settings}
    given = {name: settings[name] for name, source in sources.items() if source and source.name != "DEFAULT"}
    begun = read_start(out) if resume else None
    config = replace(begun.config if begun else TrainingConfig(), **given)
    prepare()
    if model not in list_architectures():
        resolve_with_progress(model, hub=hub)
    is_main_process = rank() == 0  # one of the processes that torchrun started writes to the terminal
    if is_main_process:
        err(f"carseg: reading the images in {data}")
    with ProgressBar("training") as bar:
        best = train(
            model,
            data,
            out,
            config=config,
            data_format=data_format,
            labels=labels,
            mapping=parse_mapping(map or ()),
            hub=hub,
            resume=resume,
            hooks=[_Terminal(bar, out)],
        )
    if is_main_process:
        _describe_end(best)


class _Terminal(Hook):
    """Says how a training begins, and moves the bar."""

    def __init__(self, bar: ProgressBar, run: Path) -> None:
        self._bar, self._run, self._began = bar, run, False

    def on_step(self, step: Step) -> None:
        if not self._began and (start := read_start(self._run)):
            _describe_start(start)
        self._began = True
        best = "" if step.best_miou is None else f", best mIoU {step.best_miou:.3f}"
        self._bar.show(step.done, f"step {step.number}, loss {step.loss:.3f}{best}")


def _describe_start(start: RunStart) -> None:
    """Say on which images a training begins, and which of its weights do not come from where it starts."""
    choosing = f"{start.val or 'none'} to choose the best state"
    err(f"carseg: {len(start.classes)} classes; images: {start.train} to train on, {choosing}")
    if start.new_tensors:
        parts = ", ".join(dict.fromkeys(name.partition(".")[0] for name in start.new_tensors))
        err(f"carseg: {len(start.new_tensors)} tensors start with random weights, at least in part: those of {parts}")


def _describe_end(best: Path) -> None:
    """Print where the weights are, and say how good they are and what to do with them."""
    from carseg.hub import CONFIG, read_config

    echo(str(best))
    reached = ""
    for metric in read_config(best / CONFIG).metrics:
        measured = [name for name, iou in metric.per_class.items() if iou is not None]
        reached += f"; validation mIoU {metric.miou:.3f}" + f" over one class, {measured[0]}" * (len(measured) == 1)
    err(f"carseg: done{reached}; {best.parent / 'report.html'} shows how it went")
    err(f"carseg: try `carseg predict IMAGE --model {best}`")
