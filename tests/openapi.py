#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
# Holds a server to its OpenAPI file: openapi.py FILE SOCKET CALLS
#
# CALLS has a line for each request: METHOD PATH STATUS [BODY]. Each answer has to be one that the
# file describes: its status, its type, its schema; a request that the file's schema refuses has to
# be refused with 400, and one that was answered otherwise has to satisfy it. At the end each
# path and method of the file must have been asked for, with success. Prints how many answers it saw.

import http.client
import json
import re
import socket
import sys
import urllib.parse

import jsonschema


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(sys.argv[2])


def find(spec, path):
    """The most literal path of the file that this one is."""
    for known in sorted(spec["paths"], key=lambda p: p.count("{")):
        pattern = re.sub(r"\\{[a-z]+\\}", "[^/]+", re.escape(known))
        if re.fullmatch(pattern, path):
            return known
    return None


def check(spec, schema, value):
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema,
             "components": spec["components"]}
    return [e.message for e in jsonschema.Draft202012Validator(whole).iter_errors(value)]


def check_answer(spec, operation, status, kind, text):
    described = operation["responses"].get(str(status))
    assert described, f"{status} is not described"
    content = described["content"]
    assert kind in content, f"{kind} is not described for {status}"
    if kind == "application/json":
        wrong = check(spec, content[kind]["schema"], json.loads(text))
        assert not wrong, f"{wrong}: {text}"


def ask(spec, line, seen):
    method, path, expected, body = (line.split(" ", 3) + [None])[:4]
    connection = UnixConnection("localhost")
    connection.request(method, path, body, {"Content-Type": "application/json"} if body else {})
    answer = connection.getresponse()
    text = answer.read().decode()
    assert answer.status == int(expected), f"{answer.status}, not {expected}: {text}"
    known = find(spec, urllib.parse.urlsplit(path).path)
    operation = known and spec["paths"][known].get(method.lower())
    if not operation:
        wrong = check(spec, {"$ref": "#/components/schemas/Error"}, json.loads(text))
        assert answer.status in (404, 405) and not wrong, f"not described: {text}"
        return
    check_answer(spec, operation, answer.status, answer.headers["Content-Type"], text)
    if answer.status == 200:
        seen.add((known, method.lower()))
    if "requestBody" in operation and (body or operation["requestBody"]["required"]):
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        try:
            wrong = check(spec, schema, json.loads(body))
        except ValueError as mistake:
            wrong = [str(mistake)]
        assert not wrong or answer.status == 400, f"taken, but it should not be: {wrong}"
        assert answer.status != 200 or not wrong, wrong


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        spec = json.load(file)
    for schema in spec["components"]["schemas"].values():
        jsonschema.Draft202012Validator.check_schema(schema)
    seen, count = set(), 0
    with open(sys.argv[3], encoding="utf-8") as calls:
        for line in calls:
            try:
                ask(spec, line.rstrip("\n"), seen)
            except AssertionError as mistake:
                sys.exit(f"{line}{mistake}")
            count += 1
    wanted = {(path, method) for path, item in spec["paths"].items()
              for method in item if method in ("get", "post", "put", "delete")}
    assert wanted == seen, f"never seen to succeed: {wanted - seen}"
    print(count)


main()
