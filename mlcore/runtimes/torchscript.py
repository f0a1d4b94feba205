"""TorchScript modules, saved by torch.jit.save."""

import io
import warnings
import zipfile
from typing import Any, BinaryIO

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact
from mlcore.signature import Raw, Signature, Slot

SAFE = False
PRELOADED = ("torch",)
_WHOLE_NUMBERS = {"aten::embedding": 1, "aten::embedding_bag": 1, "aten::one_hot": 0}  # which operand


def looks_like(file: BinaryIO) -> bool:
    """A zip with the module's code and constants beside its data."""
    try:
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, OSError, ValueError):
        return False
    inner = {name.partition("/")[2] for name in names}
    return {"data.pkl", "constants.pkl"} <= inner and any(name.startswith("code/") for name in inner)


def libraries() -> dict[str, str]:
    """The libraries that run it, and their versions here."""
    return runtimes.versions("torch", "numpy")


def load(data: bytes, *, device: str, threads: int) -> "Module":
    """The module in these bytes, in evaluation mode."""
    import torch

    torch.set_num_threads(threads)
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"`torch\.jit\.load` is deprecated", DeprecationWarning)
        module = torch.jit.load(io.BytesIO(data), map_location=device)  # type: ignore[no-untyped-call]
    return Module(module.eval(), device)


class Module:
    """A scripted or traced module in memory."""

    warnings: tuple[str, ...] = ()
    takes_plain_tables = False

    def __init__(self, module: Any, device: str) -> None:
        self.module = module
        self.device = device
        self.inputs = _inputs(module)
        # Weights of one kind want inputs of the same kind; rows come as float64.
        self.float_dtype = next((p.dtype for p in module.parameters() if p.is_floating_point()), None)

    def signature(self) -> Signature:
        """The arguments of `forward`; shapes, and what it gives, only a sample or a schema can tell."""
        return Signature("named", self.inputs)

    def predict(self, arguments: Any) -> Raw:
        """Run `forward` on all rows at once."""
        import torch

        if not isinstance(arguments, dict):
            arguments = {self.inputs[0].name: arguments}
        with torch.inference_mode():
            return _named_arrays(self.module(**{name: self._tensor(a) for name, a in arguments.items()}))

    def _tensor(self, array: Any) -> Any:
        import torch

        tensor = torch.as_tensor(array)
        if tensor.is_floating_point():
            tensor = tensor.to(self.float_dtype or torch.get_default_dtype())
        return tensor.to(self.device)


def _inputs(module: Any) -> tuple[Slot, ...]:
    try:
        arguments = module.forward.schema.arguments[1:]
    except (AttributeError, RuntimeError) as error:
        raise UnsupportedArtifact("The module has no forward method to call.") from error
    for argument in arguments:
        if str(argument.type) != "Tensor" and not argument.has_default_value():
            raise UnsupportedArtifact(
                f"forward takes {argument.name!r} as {argument.type}: every argument must be a Tensor."
            )
    needed = [a.name for a in arguments if not a.has_default_value()]
    if not needed:
        raise UnsupportedArtifact("forward takes no Tensor: there is nothing to ask the module.")
    whole = _whole_numbers(module)
    return tuple(Slot(name, "int64" if name in whole else "unknown") for name in needed)


def _whole_numbers(module: Any) -> set[str]:
    """The arguments that are looked up in a table: those cannot be fractions."""
    return {
        name.debugName().rpartition(".")[0] or name.debugName()
        for name in module.inlined_graph.inputs()
        if any(_WHOLE_NUMBERS.get(use.user.kind()) == use.offset for use in name.uses())
    }


def _named_arrays(result: Any) -> Raw:
    if isinstance(result, dict):
        return {str(name): _array(value) for name, value in result.items()}
    if isinstance(result, (tuple, list)):
        return {f"output_{i}": _array(value) for i, value in enumerate(result)}
    return {"output": _array(result)}


def _array(value: Any) -> Any:
    import torch

    if not isinstance(value, torch.Tensor):
        return value
    # numpy knows no bfloat16.
    return (value.float() if value.dtype == torch.bfloat16 else value).cpu().numpy()
