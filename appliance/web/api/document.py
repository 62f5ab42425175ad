"""The API described for programs: OpenAPI 3.1, made from the table of routes and the values that it answers with."""

import dataclasses
import re
from datetime import datetime
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from appliance.domain.access import Access, Scope
from appliance.domain.peer import LONGEST_METADATA, ThingKind
from appliance.security.signing import SCHEME
from appliance.web.answers import Answer, Json
from appliance.web.routes import Route, Schema, Style, route, table
from appliance.web.visit import Visit

_ARGUMENT = re.compile(r"<(\w+)>")
_PLAIN: dict[object, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"type": "number"},
    bool: {"type": "boolean"},
    datetime: {"type": "string", "format": "date-time"},
}
_IN_PATH: dict[str, dict[str, Any]] = {
    "number": {"type": "integer", "minimum": 1, "maximum": 10**18},
    "kind": {"type": "string", "enum": [kind.value for kind in ThingKind]},
    "night": {"type": "string", "format": "date"},
    "name": {"type": "string", "description": "A frame's number; keogram, startrail, night or day for all else."},
}
"""What may stand in a path, by the name that the route gives it."""
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "description": "Why a request was refused (RFC 9457).",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["path", "message"],
                "properties": {"path": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_METADATA: dict[str, Any] = {
    "name": "Nightjar-Metadata",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": LONGEST_METADATA},
    "description": "What is told of a thing beside its bytes, one line of JSON in ASCII: size, sha256 (needed), of a frame too "
    "started_at, duration_s, gain, mean_adu, saturated_fraction (needed), kind, binning, offset_adu, stars, sky_mag_arcsec2, "
    "sensor_temperature_c. With /api/v1/sync: how the sender calls itself.",
}
_WHO = {
    Access.ANYONE: "Anybody.",
    Access.VIEWER: "Staff and Admin; everybody while pictures are public.",
    Access.STAFF: "Staff and Admin.",
    Access.ADMIN: "Admin.",
    Access.PEER: "Other appliances that an admin has made peers; every request is signed.",
}
_SIGNATURE = (
    "NIGHTJAR1 key=KEY, time=UNIX TIME, nonce=32 HEX, body=SHA-256 OF THE BODY, metadata=SHA-256 OF THE HEADER "
    "Nightjar-Metadata, signature=HMAC-SHA-256. Signed are these lines, joined by line feeds: NIGHTJAR1, method, path?query, "
    "time, nonce, body, metadata. KEY is the first 16 hexadecimal digits of the HMAC-SHA-256 of the text "
    "'NIGHTJAR1 name of this key' under the key. A request is good for 300 s, and once. No cookie may come with it."
)


@route("GET", "/api/v1/openapi.json", access=Access.ANYONE, style=Style.API, answer={"type": "object"})
def document(visit: Visit) -> Answer:
    """Describe this API."""
    return Json(make_document(table(), visit.parts.version), etag=f'"{visit.parts.version}"')


def make_document(routes: tuple[Route, ...], version: str) -> dict[str, Any]:
    """Return the OpenAPI document of every route that speaks JSON."""
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    paths: dict[str, Any] = {}
    for entry in routes:
        if entry.style is Style.API:
            path = _ARGUMENT.sub(r"{\1}", entry.path)
            paths.setdefault(path, {})[entry.method.lower()] = _operation(entry, schemas)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Nightjar",
            "version": version,
            "description": "The API of an all-sky camera. Errors come as application/problem+json.",
            "license": {"name": "GPL-3.0-or-later", "identifier": "GPL-3.0-or-later"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "signature": {"type": "http", "scheme": SCHEME, "description": _SIGNATURE},
                "token": {"type": "http", "scheme": "bearer", "description": "An API token, made in the panel."},
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-nightjar",
                    "description": "A login in the panel; with it, requests that change something carry X-CSRF-Token.",
                },
            },
        },
    }


def _operation(entry: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    name = re.sub(r"[/.]", "_", _ARGUMENT.sub(r"by_\1", entry.path).strip("/"))
    success = {"POST": "202"}.get(entry.method, "200")
    operation: dict[str, Any] = {
        "operationId": f"{entry.method.lower()}_{name}",
        "summary": entry.summary,
        "description": f"For: {_WHO[entry.access]}{_scope_words(entry.scope)}",
        "parameters": [
            *({"name": one, "in": "path", "required": True, "schema": _IN_PATH[one]} for one in _ARGUMENT.findall(entry.path)),
            *(
                {"name": one.name, "in": "query", "required": False, "schema": one.schema, "description": one.help}
                for one in entry.parameters
            ),
        ],
        "responses": {
            success: {"description": entry.summary, "content": {"application/json": {"schema": _answer(entry, schemas)}}},
            "default": {
                "description": "Refused, with the reason.",
                "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        },
    }
    if entry.access is Access.PEER:
        operation["security"] = [{"signature": []}]
        operation["parameters"].append(_METADATA)
        if entry.method == "PUT":
            operation["requestBody"] = {"required": True, "content": {"application/octet-stream": {}}}
    elif entry.access is not Access.ANYONE:
        operation["security"] = [{"session": []}, *([{"token": []}] if entry.scope else [])]
        if entry.access is Access.VIEWER:
            operation["security"].append({})
    if entry.body is not None:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": _lifted(entry.body, schemas)}}}
    return operation


def _scope_words(scope: Scope | None) -> str:
    return f" Tokens with scope {scope.value} or more." if scope else ""


def _answer(entry: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    if entry.answer is None:
        raise ValueError(f"{entry.method} {entry.path} does not say what it answers")
    return schema_of(entry.answer, schemas) if isinstance(entry.answer, type) else _lifted(entry.answer, schemas)


def _lifted(schema: Schema, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return a schema whose parts stand among the document's own."""
    whole: dict[str, Any] = schema if isinstance(schema, dict) else schema()
    schemas.update(whole.get("$defs", {}))
    return {key: value for key, value in whole.items() if key != "$defs"}


def schema_of(kind: object, schemas: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a type, and put those of dataclasses among `schemas`."""
    if kind in _PLAIN:
        return _PLAIN[kind]
    arguments = get_args(kind)
    if get_origin(kind) in (Union, UnionType):
        return {"anyOf": [{"type": "null"} if one is NoneType else schema_of(one, schemas) for one in arguments]}
    if get_origin(kind) is tuple and len(arguments) == 2 and arguments[1] is Ellipsis:
        return {"type": "array", "items": schema_of(arguments[0], schemas)}
    if not (isinstance(kind, type) and dataclasses.is_dataclass(kind)):
        raise TypeError(f"no schema for {kind!r}")
    name = kind.__name__
    if name not in schemas:
        hints = get_type_hints(kind)
        schemas[name] = {
            "type": "object",
            "description": (kind.__doc__ or "").strip(),
            "properties": {field.name: schema_of(hints[field.name], schemas) for field in dataclasses.fields(kind)},
            "required": [field.name for field in dataclasses.fields(kind)],
            "additionalProperties": False,
        }
    return {"$ref": f"#/components/schemas/{name}"}
