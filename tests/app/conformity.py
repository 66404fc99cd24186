"""Conformity: whether a real answer is as the OpenAPI document has it."""

from typing import Any

import jsonschema_rs
from flask import Flask
from werkzeug.test import TestResponse

from app.openapi.routes import read_document


def check_answer(app: Flask, answer: TestResponse) -> None:
    """Fail if the document lacks this answer, or has it otherwise."""
    document: Any = read_document(app)
    described = find_operation(app, document, answer.request.path, answer.request.method)["responses"]
    assert str(answer.status_code) in described, f"{answer.status_code} is in no document"
    found = described[str(answer.status_code)]
    if "$ref" in found:
        found = document["components"]["responses"][found["$ref"].rpartition("/")[2]]
    content = found["content"]
    assert answer.mimetype in content, f"{answer.mimetype} is in no document"
    if answer.mimetype == "application/json":
        schema = {**content["application/json"]["schema"], "components": document["components"]}
        jsonschema_rs.validator_for(schema).validate(answer.json)


def find_operation(app: Flask, document: Any, path: str, method: str) -> Any:
    """What the document says of the route that this path leads to."""
    rule, _ = app.url_map.bind("localhost").match(path, "GET" if method == "HEAD" else method, return_rule=True)
    wanted = rule.endpoint.removeprefix("api.").replace(".", "_")
    operations = (operation for one in document["paths"].values() for operation in one.values() if "operationId" in operation)
    return next(operation for operation in operations if operation["operationId"] == wanted)
