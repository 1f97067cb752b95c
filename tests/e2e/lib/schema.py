# SPDX-License-Identifier: Apache-2.0
"""Every line of JSON against the schema that the program itself prints, and against its meaning."""

import base64
import collections
import json
import re
import subprocess

from jsonschema.validators import validator_for

from lib import wait

# A full check takes a millisecond, in an emulated machine forty: after so many events of the same
# fields and types the rest are checked for what all events have in common.
FULL_CHECKS = 50
COMMON = {"v", "type", "ts", "host", "pid", "tid", "ppid", "uid", "comm", "exe", "container"}
FIELDS = {
    "data": COMMON | {"lib", "fn", "dir", "conn", "off", "len", "total"},
    "command": COMMON | {"lib", "fn", "len"},
    "http": COMMON | {"lib", "conn", "role", "number", "request", "response"},
    "loss": COMMON | {"conn", "dir", "off", "bytes", "calls", "reason"},
}
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(Z|[+-]\d\d:\d\d)")


def load(binary):
    """The schema that the program carries."""
    out = subprocess.run(
        [binary, "schema"], check=True, stdout=subprocess.PIPE, timeout=wait.seconds(30)
    ).stdout
    return json.loads(out)


class Validator:
    """Checks one event after the other; the first that is wrong is an AssertionError."""

    def __init__(self, schema):
        kind = validator_for(schema)
        kind.check_schema(schema)
        self._validator = kind(schema)
        self._seen = collections.Counter()

    def is_valid(self, event):
        return self._validator.is_valid(event)

    def check(self, event):
        shape = tuple((name, type(value)) for name, value in sorted(event.items()))
        self._seen[shape] += 1
        if self._seen[shape] <= FULL_CHECKS:
            error = next(self._validator.iter_errors(event), None)
            assert error is None, f"not valid: {error.message}: {shown(event)}"
        self._check_common(event)

    @staticmethod
    def _check_common(event):
        missing = FIELDS.get(event["type"], COMMON) - event.keys()
        assert not missing, f"without {missing}: {shown(event)}"
        assert event["v"] == 1, shown(event)
        assert TIME.fullmatch(event["ts"]), shown(event)


def payload(event):
    """The exact bytes of a data or command event, written the way the contract says."""
    assert ("text" in event) != ("b64" in event), f"text or b64: {shown(event)}"
    if "text" in event:
        assert "\0" not in event["text"], f"NUL in text: {shown(event)}"
        data = event["text"].encode()
    else:
        data = base64.b64decode(event["b64"], validate=True)
        assert not is_text(data), f"b64 for what is text: {shown(event)}"
    assert len(data) == event["len"] > 0, f"len is wrong: {shown(event)}"
    return data


def is_text(data):
    if b"\0" in data:
        return False
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def shown(event):
    """An event, short enough for a message."""
    return json.dumps(event)[:600]
