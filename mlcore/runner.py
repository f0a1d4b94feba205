"""The process that runs one model's code: `python -m mlcore.runner SOCKET WORDS…`, under its keeper.

It is told what to do over a socket (see protocol), answers every message, and ends when the socket closes. The words
are for whoever reads the process list.
"""

import os
import resource
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import orjson

from mlcore import protocol
from mlcore.arrays import answers, arguments_of_block, model_arguments, same_shape_groups
from mlcore.artifacts import ArtifactStore, open_regular
from mlcore.errors import EngineError, InvalidOutput, LoadFailed, ModelError, OutOfMemory, UnsupportedArtifact
from mlcore.protocol import Message
from mlcore.runtimes import LoadedModel, identify, is_safe, runtime
from mlcore.schema import Schema
from mlcore.tables.layout import answer_columns
from mlcore.tables.running import answer_table, goes_by_columns, rows_of, table_rows, write_outputs
from mlcore.transport import BYTES_OF_A_NUMBER, layout_of

# Libraries that have errors of their own for what MemoryError says.
OUT_OF_MEMORY_SIGNS = (
    *("OutOfMemoryError", "can't allocate memory", "Cannot allocate memory", "not enough memory"),
    *("bad allocation", "bad_alloc"),
)


class Runner:
    """One model in memory, and what it can be asked."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[[Message], Message]] = {
            "preload": self.preload,
            "load": self.load,
            "inspect": self.inspect,
            "predict": self.predict,
            "predict_table": self.predict_table,
        }

    def answer(self, message: Message) -> Message:
        """The reply to a message; an error is a reply too."""
        try:
            return self.handlers[message["do"]](message)
        except BaseException as error:  # a model that calls sys.exit() has only failed
            return {"error": fault(error)}

    def preload(self, message: Message) -> Message:
        """Import what a format's files need; which of them is to be loaded comes later."""
        for name in runtime(message["format"]).PRELOADED:
            import_module(name)
        return {}

    def load(self, message: Message) -> Message:
        """Take the registered file out of the store and make it ready."""
        confine(message)
        with suppress(OSError):  # the name that `top` and the kernel give the process
            Path("/proc/self/comm").write_text(message["name"])
        self.schema = Schema.from_json(message["schema"])
        self.layout = layout_of(self.schema)
        data = ArtifactStore(message["store"]).read(message["artifact"])
        self.model = loaded(data, message)
        self.classes = self.model.signature().classes
        return {}

    def inspect(self, message: Message) -> Message:
        """What a file that is not registered yet turns out to be."""
        confine(message)
        with open_regular(Path(message["path"])) as file:
            data = file.read()
        name = identify(BytesIO(data))
        model = loaded(data, {**message, "format": name})
        return {
            "format": name,
            "safe": is_safe(name),
            "signature": asdict(model.signature()),
            "libraries": runtime(name).libraries(),
            "warnings": model.warnings,
            "sha256": sha256(data).hexdigest(),
            "size_bytes": len(data),
        }

    def predict(self, message: Message) -> Message:
        """An outcome for each row, in order; rows of one shape go through the model together."""
        started = time.monotonic()
        outcomes = self._of_block(message["block"]) if "block" in message else self._of_rows(message["rows"])
        failed = sum("reason" in outcome for outcome in outcomes)
        seconds = round(time.monotonic() - started, 6)
        log("prediction_run", {**message["context"], "rows": len(outcomes), "failed": failed, "seconds": seconds})
        return {"outcomes": outcomes}

    def _of_block(self, block: bytes) -> list[Message]:
        assert self.layout is not None
        count = len(block) // (BYTES_OF_A_NUMBER * self.layout.width)
        plain = self.model.takes_plain_tables
        return self._forward(partial(arguments_of_block, self.schema, self.layout, block, plain=plain), count=count)

    def _of_rows(self, rows: Sequence[dict[str, Any]]) -> list[Message]:
        outcomes: list[Message] = [{}] * len(rows)
        for group in same_shape_groups(self.schema, rows):
            arguments = partial(model_arguments, self.schema, [rows[i] for i in group])
            for index, outcome in zip(group, self._forward(arguments, count=len(group)), strict=True):
                outcomes[index] = outcome
        return outcomes

    def predict_table(self, message: Message) -> Message:
        """Answer some rows of a checked part, into a file; one outcome for all of them, which names those that fail."""
        started = time.monotonic()
        schema, target = self.schema, Path(message["target"])
        table = table_rows(Path(message["path"]), start=message["start"], count=message["count"])
        facts = {**message["context"], "rows": table.num_rows}
        if goes_by_columns(schema):
            try:
                wrong = answer_table(schema, self.model, table, classes=self.classes, target=target)
            except BaseException as error:
                return {"outcomes": [{**fault(error), "shared": table.num_rows > 1}]}
        else:
            outcomes = self.predict({"rows": rows_of(schema, table), "context": message["context"]})["outcomes"]
            shared = next((each for each in outcomes if each.get("shared")), None)
            if shared:
                return {"outcomes": [shared]}
            wrong = write_outputs(answer_columns(schema), [_plain_outcome(each) for each in outcomes], target)
        log("table_run", {**facts, "failed": len(wrong), "seconds": round(time.monotonic() - started, 6)})
        return {"outcomes": [{"output": {"failed": wrong}}]}

    def _forward(self, arguments: Callable[[], Any], *, count: int) -> list[Message]:
        try:
            raw = self.model.predict(arguments())
            outputs = answers(self.schema, raw, count=count, classes=self.classes)
        except BaseException as error:
            return [{**fault(error), "shared": count > 1}] * count
        return [outcome(output) for output in outputs]


def _plain_outcome(answered: Message) -> dict[str, Any] | InvalidOutput:
    """An outcome of one row as it was before it was made to travel."""
    if "output" in answered:
        output: dict[str, Any] = orjson.loads(orjson.dumps(answered["output"]))
        return output
    return InvalidOutput(answered["message"])


def confine(message: Message) -> None:
    """Have no more memory than this from now on, where there is such a bound. It cannot be undone."""
    if most_bytes := message.get("address_space_bytes"):
        resource.setrlimit(resource.RLIMIT_DATA, (most_bytes, most_bytes))


def loaded(data: bytes, message: Message) -> LoadedModel:
    """The model in these bytes."""
    try:
        return runtime(message["format"]).load(data, device=message["device"], threads=message["threads"])
    except (UnsupportedArtifact, MemoryError):
        raise
    except ModuleNotFoundError as error:
        text = (
            f"The file needs the Python module {error.name!r}, which is not installed here: install it, and try again."
        )
        raise LoadFailed(text, traceback=trace(error)) from error
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        raise LoadFailed(f"The file could not be loaded. {described(error)}", traceback=trace(error)) from error


def outcome(output: dict[str, Any] | InvalidOutput) -> Message:
    """One row's answer as it travels, or why it cannot."""
    if isinstance(output, InvalidOutput):
        return fault(output)
    try:
        body = orjson.dumps(output)
    except (TypeError, ValueError) as error:
        return fault(InvalidOutput(f"The model's answer is not JSON: {error}."))
    if len(body) > protocol.MAX_OUTPUT_BYTES:
        return fault(InvalidOutput(f"The model's answer has {len(body):,} bytes: too many to keep."))
    return {"output": orjson.Fragment(body)}


def fault(error: BaseException) -> Message:
    """What went wrong, in the words of the ledger; the traceback is for staff."""
    if isinstance(error, UnsupportedArtifact):
        return {"reason": "unsupported_artifact", "message": str(error), "traceback": ""}
    if isinstance(error, EngineError):
        return {"reason": error.reason, "message": clean(str(error)), "traceback": clean(error.traceback)}
    reason = OutOfMemory.reason if is_out_of_memory(error) else ModelError.reason
    message = clean(described(error))[: protocol.MAX_MESSAGE_CHARACTERS]
    return {"reason": reason, "message": message, "traceback": trace(error)}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this is how a library says that it was given too little memory."""
    return isinstance(error, MemoryError) or any(sign in described(error) for sign in OUT_OF_MEMORY_SIGNS)


def described(error: BaseException) -> str:
    """Its class and message, also where its own __str__ raises."""
    return "".join(traceback.format_exception_only(error)).strip()


def trace(error: BaseException) -> str:
    """Where it was raised; of a long one the end, which names the cause."""
    return clean("".join(traceback.format_exception(error)))[-protocol.MAX_TRACEBACK_CHARACTERS :]


def clean(text: str) -> str:
    """Text that JSON and PostgreSQL can hold: no lone surrogates, no NUL."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def log(event: str, facts: dict[str, Any]) -> None:
    """One line of JSON on stderr, where what the model prints goes too; none where only warnings are wanted."""
    if os.environ.get("LOG_LEVEL", "INFO") not in ("DEBUG", "INFO"):
        return
    line = {"event": event, "level": "info", "logger": "mlcore.runner", "timestamp": datetime.now(UTC), **facts}
    with suppress(OSError, ValueError, AttributeError):  # a model may have closed it
        sys.stderr.write(orjson.dumps(line, default=str).decode() + "\n")
        sys.stderr.flush()


def heed_the_engine_alone() -> None:
    """Overlook the signal that a service manager sends to each process of a service: the engine decides when we end.

    Not by ignoring it, which would be passed on to what the model starts.
    """
    signal.signal(signal.SIGTERM, lambda *_: None)
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))


def serve(channel: socket.socket) -> None:
    """Answer messages until the other end is gone."""
    runner = Runner()
    with channel, channel.makefile("rb") as incoming:
        while header := incoming.read(protocol.HEADER.size):
            message = protocol.unpack(incoming.read(protocol.body_size(header)))
            if "block_bytes" in message:
                message["block"] = incoming.read(message["block_bytes"])
            channel.sendall(packed(runner.answer(message), number=message["id"]))


def packed(reply: Message, *, number: int) -> bytes:
    """The reply as a frame under its question's number, or a smaller one that says that it was too large."""
    try:
        return protocol.pack({**reply, "id": number}, limit_bytes=protocol.MAX_REPLY_BYTES)
    except protocol.FrameTooLargeError as error:
        too_large = InvalidOutput(f"The model's answers are too large together: {error}")
        return protocol.pack({"error": fault(too_large), "id": number})


def main() -> None:
    """Run until the engine hangs up."""
    descriptor = int(sys.argv[1])
    os.set_inheritable(descriptor, False)
    heed_the_engine_alone()
    serve(socket.socket(fileno=descriptor))


if __name__ == "__main__":
    main()
