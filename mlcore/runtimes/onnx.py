"""ONNX models, run by onnxruntime."""

from collections.abc import Iterator
from typing import Any, BinaryIO

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact
from mlcore.signature import Raw, Scalar, Signature, Slot

SAFE = True
PRELOADED = ("onnx", "onnxruntime")

# The top-level fields of onnx.ModelProto and their wire types (0 varint, 2 length-delimited).
_IR_VERSION, _GRAPH = 1, 7
_FIELDS = {_IR_VERSION: 0, 2: 2, 3: 2, 4: 2, 5: 0, 6: 2, _GRAPH: 2, 8: 2, 14: 2, 20: 2, 25: 2, 26: 2}
_DTYPES = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(float16)": "float16",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
    "tensor(string)": "string",
}
_FATAL_ONLY = 4


def looks_like(file: BinaryIO) -> bool:
    """A protobuf message with the fields of a model and no others."""
    size = runtimes.size_of(file)
    file.seek(0)
    seen = set()
    while file.tell() < size:
        tag = _varint(file)
        field, wire = tag >> 3, tag & 7
        if tag < 0 or _FIELDS.get(field) != wire:
            return False
        seen.add(field)
        length = _varint(file)
        if length < 0:
            return False
        if wire == 2:
            file.seek(length, 1)
    return file.tell() == size and {_IR_VERSION, _GRAPH} <= seen


def _varint(file: BinaryIO) -> int:
    """A protobuf number; -1 where there is none."""
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return -1
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return -1


def libraries() -> dict[str, str]:
    """The libraries that run it, and their versions here."""
    return runtimes.versions("onnxruntime", "onnx", "numpy")


def load(data: bytes, *, device: str, threads: int) -> "Graph":
    """The model in these bytes, with nothing outside them."""
    import onnx
    import onnxruntime

    model = onnx.load_model_from_string(data)
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in _tensors(model)):
        raise UnsupportedArtifact("The model keeps weights in other files: save it as one file.")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _FATAL_ONLY  # its complaints come back as exceptions
    # Threads that spin between two calls would take the processors from the other runners.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    session = onnxruntime.InferenceSession(data, options, providers=_providers(device))
    return Graph(session, _label_sets(model.graph))


def _providers(device: str) -> list[str]:
    import onnxruntime

    wanted = ["CPUExecutionProvider"] if device == "cpu" else ["CUDAExecutionProvider", "CPUExecutionProvider"]
    return [name for name in wanted if name in onnxruntime.get_available_providers()]


def _tensors(message: Any) -> Iterator[Any]:
    """Every tensor in a model: of graphs, of nodes' attributes, of functions, however deep."""
    if message.DESCRIPTOR.name == "TensorProto":
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for inner in value if hasattr(value, "__len__") else [value]:
                yield from _tensors(inner)


def _label_sets(graph: Any) -> list[tuple[Scalar, ...]]:
    """Lists of class labels written in the graph, the last written first."""
    found: list[tuple[Scalar, ...]] = []
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name.startswith("classlabels"):
                strings = tuple(text.decode() for text in attribute.strings)
                found.insert(0, strings or tuple(attribute.ints))
    return found + [_values(tensor) for tensor in graph.initializer if tensor.name.startswith("classes")]


def _values(tensor: Any) -> tuple[Scalar, ...]:
    import onnx

    values = onnx.numpy_helper.to_array(tensor).ravel().tolist()
    return tuple(value.decode() if isinstance(value, bytes) else value for value in values)


class Graph:
    """An inference session in memory."""

    warnings: tuple[str, ...] = ()
    takes_plain_tables = False

    def __init__(self, session: Any, label_sets: list[tuple[Scalar, ...]]) -> None:
        self.session = session
        self.inputs = [_Port(node) for node in session.get_inputs()]
        self.outputs = session.get_outputs()
        for port in self.inputs:
            port.require_batch()
        self.one_row_a_call = any(port.batch == 1 for port in self.inputs)
        self.classes = _classes(self.outputs, label_sets)

    def signature(self) -> Signature:
        """The graph's inputs; a lone (batch, columns) input is a table of numbers."""
        [*outputs] = self._output_slots()
        if self.is_matrix:
            [port] = self.inputs
            columns = tuple(Slot(f"x{i}", port.dtype) for i in range(port.shape[0] or 0))
            return Signature("matrix", columns, self.task, self.classes, tuple(outputs))  # type: ignore[arg-type]
        slots = tuple(port.slot() for port in self.inputs)
        return Signature("named", slots, self.task, self.classes, tuple(outputs))  # type: ignore[arg-type]

    @property
    def is_matrix(self) -> bool:
        """Whether the one input is a (batch, columns) array of numbers."""
        if len(self.inputs) != 1:
            return False
        [port] = self.inputs
        return len(port.shape) == 1 and (port.shape[0] or 0) > 1 and port.dtype != "string"

    @property
    def task(self) -> str:
        """What its outputs say it is for."""
        if self.classes:
            return "classification"
        return "regression" if _is_one_number(self.outputs) else "other"

    def predict(self, arguments: Any) -> Raw:
        """Run the graph on all rows at once, or one by one where it was saved for one row a call."""
        import numpy as np

        if not isinstance(arguments, dict):
            arguments = {self.inputs[0].name: arguments}
        feed = {port.name: port.array(arguments[port.name]) for port in self.inputs}
        if not self.one_row_a_call:
            return self._named(self.session.run(None, feed))
        rows = len(next(iter(feed.values())))
        parts = [self._named(self.session.run(None, {k: v[i : i + 1] for k, v in feed.items()})) for i in range(rows)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _named(self, results: list[Any]) -> Raw:
        import numpy as np

        if self.task == "regression":
            return {"value": results[0].reshape(-1)}
        if self.task == "other":
            return {output.name: result for output, result in zip(self.outputs, results, strict=True)}
        label, scores = results
        if isinstance(scores, list):  # ZipMap: one {class: score} a row
            scores = np.array([[row[name] for name in self.classes] for row in scores])
        return {"label": label, "scores": scores}  # scores (batch, classes)

    def _output_slots(self) -> Iterator[Slot]:
        for output in self.outputs if self.task == "other" else ():
            yield Slot(output.name, _DTYPES.get(output.type, "unknown"), _dimensions(output.shape[1:]))


class _Port:
    """One input of a graph."""

    def __init__(self, node: Any) -> None:
        if node.type not in _DTYPES:
            raise UnsupportedArtifact(f"The input {node.name!r} is a {node.type}: only tensors can be given.")
        self.name: str = node.name
        self.dtype = _DTYPES[node.type]
        self.batch = node.shape[0] if node.shape else 0
        self.shape = _dimensions(node.shape[1:])

    def require_batch(self) -> None:
        """The first dimension must be free, or 1."""
        if isinstance(self.batch, int) and self.batch != 1:
            raise UnsupportedArtifact(
                f"The input {self.name!r} has no free first dimension for the batch: export it with one."
            )

    def slot(self) -> Slot:
        """(batch, 1), as skl2onnx writes a column, is one value a row."""
        return Slot(self.name, self.dtype, () if self.shape == (1,) else self.shape)

    def array(self, values: Any) -> Any:
        """The values in the dtype and rank that the graph wants."""
        import numpy as np

        array = np.asarray(values, dtype=object if self.dtype == "string" else self.dtype)
        return array.reshape(-1, 1) if self.shape == (1,) else array


def _dimensions(shape: list[Any]) -> tuple[int | None, ...]:
    return tuple(size if isinstance(size, int) else None for size in shape)


def _is_one_number(outputs: list[Any]) -> bool:
    if len(outputs) != 1 or outputs[0].type not in ("tensor(float)", "tensor(double)"):
        return False
    shape = outputs[0].shape
    return bool(shape) and shape[1:] in ([], [1])


def _classes(outputs: list[Any], label_sets: list[tuple[Scalar, ...]]) -> tuple[Scalar, ...]:
    """The labels of a classifier as skl2onnx writes it: one output for the label, one for the scores."""
    if len(outputs) != 2 or outputs[0].type not in ("tensor(int64)", "tensor(string)"):
        return ()
    scores = outputs[1]
    if scores.type.startswith("seq(map("):
        return label_sets[0] if label_sets else ()
    count = scores.shape[1] if len(scores.shape) == 2 else None
    return next((labels for labels in label_sets if len(labels) == count), ())
