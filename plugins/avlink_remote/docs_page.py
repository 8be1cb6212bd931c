"""The OpenAPI document as a page to read.

FastAPI's own page loads scripts from another host, which machines without the internet cannot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #222; }
h2 { margin-top: 2.5rem; border-bottom: 1px solid #ccc; } code, h3 { font-family: ui-monospace, monospace; }
table { border-collapse: collapse; width: 100%; } td, th { text-align: left; vertical-align: top; padding: .2rem .8rem
.2rem 0; border-top: 1px solid #eee; }
"""


def html_page(document: Mapping[str, Any], *, query: str = "") -> str:
    """Return a page of all routes and objects, without scripts. Links within the server keep the `query`."""
    info = document["info"]
    link = escape(f"openapi.json?{query}" if query else "openapi.json")
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>",
        f"<style>{_STYLE}</style><h1>{escape(info['title'])}</h1><p>{escape(info['summary'])}</p>",
        *(f"<p>{escape(text)}</p>" for text in info["description"].split("\n\n")),
        "<p>Every request but <code>/health</code> shows the token: <code>Authorization: Bearer TOKEN</code>. ",
        f'For programs: <a href="{link}">openapi.json</a>.</p><h2>Requests</h2>',
        *_routes(document["paths"]),
        "<h2>Objects</h2>",
        *_objects(document["components"]["schemas"]),
    ]
    return "".join(parts)


def _routes(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, route in methods.items():
            yield f"<h3>{escape(method.upper())} {escape(path)}</h3>"
            yield from (f"<p>{escape(text)}</p>" for text in route.get("description", "").split("\n\n"))
            yield "<table>"
            for parameter in route.get("parameters", ()):
                where = f"{parameter['name']} <small>({parameter['in']})</small>"
                yield _row(where, f"{_type(parameter['schema'])}. {escape(parameter.get('description', ''))}")
            for media, body in route.get("requestBody", {}).get("content", {}).items():
                yield _row("body", f"{_type(body['schema'])} <small>{escape(media)}</small>")
            for status, answer in route["responses"].items():
                kinds = ", ".join(_type(body.get("schema", {})) for body in answer.get("content", {}).values())
                yield _row(status, f"{escape(answer['description'])} {kinds}")
            yield "</table>"


def _objects(schemas: Mapping[str, Any]) -> Iterator[str]:
    for name, schema in sorted(schemas.items()):
        yield f"<h3 id={escape(name)}>{escape(name)}</h3><p>{escape(schema.get('description', ''))}</p><table>"
        for field, of in schema.get("properties", {}).items():
            # Fields with a default need not be sent.
            optional = "" if field in schema.get("required", ()) else " <small>(optional)</small>"
            yield _row(f"{escape(field)}{optional}", _type(of))
        yield "</table>"


def _row(head: str, text: str) -> str:
    return f"<tr><td><code>{head}</code><td>{text}"


def _type(schema: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f"<a href=#{name}>{name}</a>"
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    words = [str(schema.get("type", ""))]
    if "const" in schema or "enum" in schema:
        words = [", ".join(f"“{one}”" for one in schema.get("enum", [schema.get("const")]))]
    words += [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return escape(" ".join(words))


_BOUNDS = {
    "format": "as",
    "minimum": "from",
    "maximum": "to",
    "exclusiveMaximum": "below",
    "maxLength": "of length up to",
    "pattern": "like",
}
