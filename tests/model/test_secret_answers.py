"""Answers that a question calls secret are hidden wherever they stand; all else stays as it was answered."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel, SecretStr

from orchestra_nb.engine.input_forms import input_form
from orchestra_nb.model.run_inputs import RunInput
from orchestra_nb.model.secret_answers import without_secrets
from orchestra_nb.model.secret_values import HIDDEN


class Account(BaseModel):
    user: str
    password: SecretStr


class Login(BaseModel):
    first: Account
    others: list[Account] = []
    by_name: dict[str, SecretStr] = {}
    token: SecretStr | None = None
    note: str | None = None


def shown(schema: dict[str, object] | None, value: object) -> object:
    return without_secrets(
        RunInput(run_id="r", key="k", asked_at=datetime.now(UTC), schema=schema, value=value, answered_by="ana")
    ).value


def test_secrets_of_a_model_are_hidden_at_any_depth() -> None:
    account = {"user": "ana", "password": "s3cret"}
    hidden = {"user": "ana", "password": HIDDEN}

    answer = {"first": account, "others": [account], "by_name": {"x": "s3cret"}, "token": "s3cret", "note": "hello"}

    assert shown(input_form(Login).schema, answer) == {
        "first": hidden,
        "others": [hidden],
        "by_name": {"x": HIDDEN},
        "token": HIDDEN,
        "note": "hello",
    }
    assert shown(input_form(Login).schema, {"first": account, "token": None}) == {"first": hidden, "token": None}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        (None, None, None),
        ({"type": "integer"}, 3, 3),
        ({"type": "string", "format": "password"}, "s3cret", HIDDEN),
        ({"type": "object", "writeOnly": True}, {"a": 1}, HIDDEN),
        ({"prefixItems": [{"format": "password"}], "items": {}}, ["s3cret", "b"], [HIDDEN, "b"]),
        ({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}, "b", "b"),
        ({"$ref": "#/nowhere"}, "b", "b"),
        ({"properties": 3, "items": "x", "anyOf": {}}, {"a": [1]}, {"a": [1]}),
    ],
    ids=["go on", "a number", "a password", "an object", "a tuple", "a circle", "nothing there", "no schema at all"],
)
def test_only_what_the_schema_calls_secret_is_hidden(
    schema: dict[str, object], value: object, expected: object
) -> None:
    assert shown(schema, value) == expected
