import io
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import to_onnx
from skl2onnx.common.data_types import FloatTensorType, StringTensorType
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_iris
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mlcore import runtimes
from mlcore.errors import UnsupportedArtifact
from mlcore.runtimes import onnx as runtime
from mlcore.signature import Signature, Slot

DATA = load_iris()
X, Y = DATA.data.astype(np.float32), DATA.target
NAMES = np.array(["setosa", "versicolor", "virginica"])[Y]


def loaded(model: onnx.ModelProto) -> runtime.Graph:
    return runtime.load(model.SerializeToString(), device="auto", threads=1)


def graph(*nodes: Any, inputs: Any, outputs: Any, weights: Any = ()) -> onnx.ModelProto:
    made = helper.make_graph(list(nodes), "test", list(inputs), list(outputs), list(weights))
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def tensor(name: str, *shape: Any, dtype: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, dtype, shape)


def test_it_is_known_by_its_content() -> None:
    data = to_onnx(LinearRegression().fit(X, Y), X[:1]).SerializeToString()
    assert runtimes.identify(io.BytesIO(data)) == "onnx"
    assert runtimes.is_safe("onnx")
    assert runtime.libraries()["onnxruntime"] == onnxruntime.__version__


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08", b"\x08\x07", b"\x3a\x7fab", b"\xff" * 20])
def test_what_is_not_onnx(content: bytes) -> None:
    assert not runtime.looks_like(io.BytesIO(content))


@pytest.mark.parametrize(
    "model", [LogisticRegression(max_iter=500), RandomForestClassifier(5), MLPClassifier((4,), max_iter=500)]
)
@pytest.mark.parametrize("truths", [Y, NAMES])
@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_classifier(model: Any, truths: Any, zipmap: bool) -> None:
    model.fit(X, truths)
    ours = loaded(to_onnx(model, X[:1], options={"zipmap": zipmap}))
    columns = tuple(Slot(f"x{i}", "float32") for i in range(4))
    assert ours.signature() == Signature("matrix", columns, "classification", tuple(model.classes_.tolist()))
    raw = ours.predict(X.astype(np.float64))
    assert (raw["label"] == model.predict(X)).all()
    assert np.allclose(raw["scores"], model.predict_proba(X), atol=1e-5)


def test_regression_of_named_columns() -> None:
    columns = ColumnTransformer([("scale", StandardScaler(), [0, 1])])
    model = make_pipeline(columns, LinearRegression()).fit(X[:, :2], Y)
    inputs = [("length", FloatTensorType([None, 1])), ("width", FloatTensorType([None, 1]))]
    ours = loaded(to_onnx(model, initial_types=inputs))
    slots = (Slot("length", "float32"), Slot("width", "float32"))
    assert ours.signature() == Signature("named", slots, "regression")
    raw = ours.predict({"length": X[:, 0].astype(np.float64), "width": X[:, 1]})
    assert np.allclose(raw["value"], model.predict(X[:, :2]), atol=1e-5)


def test_texts_and_numbers() -> None:
    rows = np.array([["white", "1"], ["blue", "2"]] * 5, dtype=object)
    model = make_pipeline(OneHotEncoder(), LogisticRegression()).fit(rows[:, :1], ["a", "b"] * 5)
    ours = loaded(to_onnx(model, initial_types=[("colour", StringTensorType([None, 1]))]))
    assert ours.signature().inputs == (Slot("colour", "string"),)
    assert ours.predict({"colour": np.array(["blue", "white"])})["label"].tolist() == ["b", "a"]


def test_two_inputs_and_two_outputs() -> None:
    ours = loaded(
        graph(
            helper.make_node("Add", ["a", "b"], ["sum"]),
            helper.make_node("ReduceMax", ["a"], ["most"], axes=[1], keepdims=0),
            inputs=[tensor("a", "n", 3), tensor("b", "n", 3, dtype=TensorProto.FLOAT)],
            outputs=[tensor("sum", "n", 3), tensor("most", "n")],
        )
    )
    slots = (Slot("a", "float32", (3,)), Slot("b", "float32", (3,)))
    outputs = (Slot("sum", "float32", (3,)), Slot("most", "float32"))
    assert ours.signature() == Signature("named", slots, "other", (), outputs)
    raw = ours.predict({"a": [[1, 2, 3]], "b": [[10, 20, 30]]})
    assert (raw["sum"].tolist(), raw["most"].tolist()) == ([[11, 22, 33]], [3])


def test_lengths_that_vary() -> None:
    node = helper.make_node("ReduceSum", ["ids"], ["total"], keepdims=0)
    ours = loaded(
        graph(
            node,
            inputs=[tensor("ids", "n", "length", dtype=TensorProto.INT64)],
            outputs=[tensor("total", dtype=TensorProto.INT64)],
        )
    )
    assert ours.signature().inputs == (Slot("ids", "int64", (None,)),)


def test_saved_for_one_row_a_call() -> None:
    node = helper.make_node("Neg", ["x"], ["y"])
    ours = loaded(graph(node, inputs=[tensor("x", 1, 2)], outputs=[tensor("y", 1, 2)]))
    assert ours.predict(np.array([[1.0, 2.0], [3.0, 4.0]]))["y"].tolist() == [[-1, -2], [-3, -4]]


@pytest.mark.parametrize("shape", [(7, 2), ()])
def test_no_dimension_for_the_batch(shape: tuple[int, ...]) -> None:
    node = helper.make_node("Neg", ["x"], ["y"])
    with pytest.raises(UnsupportedArtifact, match="no free first dimension"):
        loaded(graph(node, inputs=[tensor("x", *shape)], outputs=[tensor("y", *shape)]))


def test_input_that_is_no_tensor() -> None:
    sequence = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, ["n"])
    node = helper.make_node("SequenceLength", ["x"], ["y"])
    with pytest.raises(UnsupportedArtifact, match="only tensors"):
        loaded(graph(node, inputs=[sequence], outputs=[tensor("y", dtype=TensorProto.INT64)]))


def test_label_without_classes_is_left_open() -> None:
    ours = loaded(
        graph(
            helper.make_node("ArgMax", ["x"], ["label"], axis=1, keepdims=0),
            helper.make_node("Softmax", ["x"], ["scores"]),
            inputs=[tensor("x", "n", 2)],
            outputs=[tensor("label", "n", dtype=TensorProto.INT64), tensor("scores", "n", 2)],
        )
    )
    assert ours.signature().task == "other"
    assert ours.predict(np.array([[0.0, 1.0]]))["label"].tolist() == [1]


@pytest.mark.parametrize("where", ["initializer", "attribute"])
def test_weights_in_another_file_are_refused(where: str) -> None:
    weight = numpy_helper.from_array(np.zeros(2, np.float32), "w")
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    entry = weight.external_data.add()
    entry.key, entry.value = "location", "../../etc/passwd"
    add = helper.make_node("Add", ["x", "w"], ["y"])
    held = {"weights": [weight]} if where == "initializer" else {}
    nodes = [add] if held else [helper.make_node("Constant", [], ["w"], value=weight), add]
    with pytest.raises(UnsupportedArtifact, match="in other files"):
        loaded(graph(*nodes, inputs=[tensor("x", "n", 2)], outputs=[tensor("y", "n", 2)], **held))
