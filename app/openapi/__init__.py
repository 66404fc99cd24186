"""The OpenAPI document: every route, generated from marshmallow schemas, and a page that shows it."""
