"""Answers: the shape of every JSON answer, as marshmallow schemas; a module for each kind of thing (04-http, "Shapes")."""
