"""Column types Django has no field for."""

from __future__ import annotations

from typing import Any

import orjson
from django.db import models


class PlainJSONField(models.Field):
    """A `json` column, kept as it was written: key order, 1e5, and less work than jsonb at every insert."""

    description = "JSON, kept as written"

    def db_type(self, connection: Any) -> str:
        """Name the column type."""
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        """Read it as text: the driver would parse it with its own decoder."""
        return f"{sql}::text", params

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        """Return what the column holds as Python values."""
        return None if value is None else orjson.loads(value)

    def get_prep_value(self, value: Any) -> str | None:
        """Return the text to store."""
        return None if value is None else orjson.dumps(value).decode()

    def value_to_string(self, obj: models.Model) -> Any:
        """Return the value for a serialised dump."""
        return self.value_from_object(obj)
