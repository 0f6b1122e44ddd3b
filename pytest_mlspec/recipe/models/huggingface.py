"""Models of transformers that answer with logits: made of a folder, or taken from the team's function.

A folder with weights gives those; a configuration alone gives random ones. What the folder has no weights for, such as the
head of a new task, begins at random, and the run's notes say so.

Shape letters: N rows, L ids of a text, C outputs of a row, V ids of the vocabulary.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from pytest_mlspec.errors import RecipeError
from pytest_mlspec.recipe.prepare.pretrained_tokenizer import IDS, MASK, TYPES
from pytest_mlspec.recipe.pretrained import Pretrained, check_tokenizer
from pytest_mlspec.recipe.protocol import Inputs, Prepared

_KEY = "model"
_WEIGHTS = ("*.safetensors", "pytorch_model*.bin")
# A name of a class that nobody gave.
_UNNAMED = "LABEL_"


class Logits(nn.Module):
    """A model of transformers whose outputs are its logits: [N, C], or [N, L, V] of a language model.

    It takes the inputs by name; ids alone have their padding, 0, masked. Texts are cut to the longest of the batch, so that
    an answer that depends on padding shows. `notes` tell what began at random, or was left out.
    """

    def __init__(self, model: nn.Module, *, notes: tuple[str, ...] = (), cuts: bool = True) -> None:
        super().__init__()
        self.model = model
        self.notes = notes
        self._cuts = cuts
        self.takes = _arguments(model)

    def forward(self, ids: Tensor | None = None, **inputs: Tensor) -> Tensor:
        """The logits for inputs [N, L] by name, or for ids [N, L] alone."""
        outputs = self.model(**self.arguments(inputs if ids is None else ids))
        if not hasattr(outputs, "logits"):
            raise RecipeError(
                f"{type(self.model).__name__} gives no logits",
                key=_KEY,
                advice="take a model with a head, such as AutoModelForSequenceClassification",
            )
        logits: Tensor = outputs.logits
        return logits

    def arguments(self, inputs: Tensor | Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What the model itself is called with. On a GPU, where texts end is read: a synchronisation."""
        named = dict(inputs) if isinstance(inputs, Mapping) else {IDS: inputs, MASK: (inputs != 0).long()}
        if self.takes is not None:
            named = {name: values for name, values in named.items() if name in self.takes}
        if MASK in named and named[MASK].ndim == 2:
            named[MASK] = _without_empty_texts(named[MASK])
        # An exported model has one shape, and no columns that come and go with the rows.
        return named if not self._cuts or torch.compiler.is_exporting() else _cut(named)


def as_logits(found: Pretrained | nn.Module, prepared: Prepared, *, task: str, name: str) -> Logits:
    """The model that `found` is or holds, with an output for each class, one value, or a token, as `task` needs.

    Raises RecipeError where it cannot be trained on `prepared`: another library's, another number of classes, or a tokenizer
    of another model.
    """
    from transformers import PreTrainedModel

    model, notes = (found, ()) if isinstance(found, nn.Module) else _loaded(found, prepared, task)
    name = name if isinstance(found, nn.Module) else found.name
    if not isinstance(model, PreTrainedModel):
        raise RecipeError(
            f"{name} gives a {type(model).__name__}, and the engine transformers trains a PreTrainedModel",
            key=_KEY,
            advice="return what from_pretrained or from_config of an AutoModelFor… gives, or write `engine: torch`",
        )
    _check_texts(model, prepared, name=name)
    if task != "language_model":
        _check_labels(model, prepared, name=name)
    logits = Logits(model, cuts=task != "language_model")
    logits.notes = (*notes, *_left_out(logits, prepared))
    return logits


def _loaded(found: Pretrained, prepared: Prepared, task: str) -> tuple[nn.Module, tuple[str, ...]]:
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    import transformers

    of_tokens = task == "language_model"
    auto: Any = transformers.AutoModelForCausalLM if of_tokens else transformers.AutoModelForSequenceClassification
    quiet: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    try:
        config = transformers.AutoConfig.from_pretrained(found.folder, **quiet)
    except (OSError, ValueError, KeyError) as error:
        raise RecipeError(
            f"the configuration of {found.name} cannot be read: {_line(error)}",
            key=_KEY,
            advice="a config.json with its `model_type`, as save_pretrained writes it, is needed",
        ) from error
    stored = [str(config.id2label[number]) for number in sorted(config.id2label)] if config.id2label else []
    if task != "language_model":
        _set_labels(config, prepared)
    if not any(path for pattern in _WEIGHTS for path in found.folder.glob(pattern)):
        model: nn.Module = auto.from_config(config)
        return model, (f"{found.name} is a configuration alone: its weights begin at random",)
    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model, info = auto.from_pretrained(
            found.folder,
            config=config,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **quiet,
        )
    except Exception as error:  # whatever the readers of several formats raise
        raise RecipeError(f"the weights of {found.name} cannot be read: {_line(error)}", key=_KEY) from error
    mismatched = {entry[0] for entry in info["mismatched_keys"]}
    new = sorted({*info["missing_keys"], *mismatched})
    below: Any = model.base_model
    body = {id(tensor) for tensor in below.state_dict(keep_vars=True).values()}
    tensors: dict[str, Tensor] = model.state_dict(keep_vars=True)
    if all(name in new for name, tensor in tensors.items() if id(tensor) in body):
        raise RecipeError(
            f"the weights of {found.name} hold no tensor of {type(model).__name__} but for its head",
            key=_KEY,
            advice="do config.json and the weights belong together?",
        )
    return model, (*_told_of_new(new, len(tensors), found), *_told_of_order(stored, prepared, new, found))


def _set_labels(config: Any, prepared: Prepared) -> None:
    """Gives the configuration the labels of the data: a head of another size is replaced."""
    if not prepared.classes:
        config.num_labels, config.problem_type = 1, "regression"
        return
    config.num_labels = len(prepared.classes)
    config.id2label = dict(enumerate(prepared.classes))
    config.label2id = {label: number for number, label in enumerate(prepared.classes)}
    config.problem_type = "single_label_classification"


def _told_of_new(new: list[str], tensors: int, found: Pretrained) -> tuple[str, ...]:
    shown = f"{', '.join(new[:4])}{', …' if len(new) > 4 else ''}"
    told = f"{len(new)} of {tensors} tensors are not in {found.name}, or of another shape, and begin at random: {shown}"
    return (told,) if new else ()


def _told_of_order(stored: list[str], prepared: Prepared, new: list[str], found: Pretrained) -> tuple[str, ...]:
    """A head whose classes stand in another order than those of the data would begin with each of them swapped."""
    ours = [label.casefold() for label in prepared.classes]
    theirs = [label.casefold() for label in stored]
    is_kept = not any(name.startswith(("classifier", "score")) for name in new)
    if ours == theirs or sorted(ours) != sorted(theirs) or not is_kept or theirs[0].startswith(_UNNAMED.casefold()):
        return ()
    return (
        f"the head of {found.name} has its classes in another order, {', '.join(stored)}: its training begins swapped",
    )


def _check_labels(model: Any, prepared: Prepared, *, name: str) -> None:
    outputs, needed = int(model.config.num_labels), len(prepared.classes) or 1
    if outputs != needed:
        what = f"{needed} classes" if prepared.classes else "one value a row"
        raise RecipeError(
            f"the model of {name} has {outputs} outputs, and the data {what}",
            key=_KEY,
            advice=f"make it with num_labels={needed}",
        )


def _check_texts(model: Any, prepared: Prepared, *, name: str) -> None:
    """Raises RecipeError where the ids are not those of the model, or a text is longer than it can read."""
    inputs = prepared.splits["train"].inputs
    ids = _ids(inputs)
    if ids is None or not hasattr(model, "get_input_embeddings"):
        return
    embedding = model.get_input_embeddings()
    known = prepared.vocabularies.get(IDS if isinstance(inputs, Mapping) else "")
    if known and isinstance(embedding, nn.Embedding):
        check_tokenizer(known[0], embedding.num_embeddings, name=name)
    longest = getattr(model.config, "max_position_embeddings", None)
    if isinstance(longest, int) and ids.shape[1] > longest:
        raise RecipeError(
            f"prepare gives texts of {ids.shape[1]} tokens, and the model of {name} reads {longest} (max_position_embeddings)",
            key="data.prepare",
            advice=f"write length: {longest}, or less",
        )


def _left_out(logits: Logits, prepared: Prepared) -> tuple[str, ...]:
    """The types of tokens, where the model has no argument for them: left out, as the Trainer does; others are an error."""
    inputs = prepared.splits["train"].inputs
    if not isinstance(inputs, Mapping) or logits.takes is None:
        return ()
    unknown = sorted(inputs.keys() - logits.takes)
    if any(name != TYPES for name in unknown):
        raise RecipeError(
            f"the model takes no {', '.join(unknown)}, which prepare gives",
            key="data.prepare",
            advice=f"drop these columns, or take a model with such arguments; it has {', '.join(sorted(logits.takes)[:12])}",
        )
    return (f"the model takes no {TYPES}: left out",) if unknown else ()


def _ids(inputs: Inputs) -> Any:
    found = inputs.get(IDS) if isinstance(inputs, Mapping) else inputs
    return found if found is not None and found.ndim == 2 and found.dtype.kind in "iu" else None


def _arguments(model: nn.Module) -> frozenset[str] | None:
    """The names of what `forward` takes; None where it takes any."""
    parameters = inspect.signature(model.forward).parameters
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return frozenset(name for name, each in parameters.items() if each.kind in kinds) or None


def _without_empty_texts(mask_NL: Tensor) -> Tensor:
    """The mask with the first position of each text that has no token: attention to nothing is another value in each kernel."""
    empty_N1 = mask_NL.sum(dim=1, keepdim=True) == 0
    first_L = torch.arange(mask_NL.shape[1], device=mask_NL.device) == 0
    return mask_NL.masked_fill(empty_N1 & first_L, 1)


def _cut(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    """The inputs without the columns, at both ends, that are padding in every row."""
    mask_NL = inputs.get(MASK)
    if mask_NL is None or mask_NL.ndim != 2:
        return inputs
    used = mask_NL.any(dim=0).nonzero()
    if not len(used):  # a batch of no rows
        return inputs
    begin, end = int(used[0]), int(used[-1]) + 1
    shape = mask_NL.shape
    return {name: values[:, begin:end] if values.shape[:2] == shape else values for name, values in inputs.items()}


def _line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
