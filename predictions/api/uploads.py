"""Uploads of batch files: written to where they stay, and hashed on the way; never whole in memory."""

from __future__ import annotations

from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.core.files.uploadhandler import FileUploadHandler

from predictions.batch_files import Incoming, Received


class ReceivedFile(UploadedFile):
    """A file that has arrived."""

    def __init__(self, received: Received) -> None:
        super().__init__(name=received.name, size=received.size_bytes)
        self.received = received


class IncomingUpload(FileUploadHandler):
    """Takes a file in as it comes. Raises: FileTooLarge, NoRoom."""

    incoming: Incoming | None = None

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file."""
        super().new_file(*args, **kwargs)
        self.incoming = Incoming(self.file_name or "")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Keep a piece of it; nobody else need see it."""
        if self.incoming:
            self.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> ReceivedFile | None:
        """Hand over the file."""
        if self.incoming is None:
            return None
        incoming, self.incoming = self.incoming, None
        return ReceivedFile(incoming.close())

    def upload_interrupted(self) -> None:
        """Forget what has come so far."""
        if self.incoming:
            self.incoming.discard()
