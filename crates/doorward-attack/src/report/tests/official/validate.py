"""Holds report files against their schemas; prints what is wrong, a line each.

    python validate.py SARIF_SCHEMA JUNIT_SCHEMA JSON_SCHEMA FILE...

A file's name says what it is: `.sarif`, `.xml` or `.json`."""
import json, sys
import jsonschema, xmlschema


def of_json(path):
    with open(path, encoding="utf-8") as file:
        schema = json.load(file)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    checker = kind(schema, format_checker=kind.FORMAT_CHECKER)

    def faults(path):
        with open(path, encoding="utf-8") as file:
            value = json.load(file)
        return [f"{fault.json_path}: {fault.message}" for fault in checker.iter_errors(value)]

    return faults


def of_xml(path):
    schema = xmlschema.XMLSchema(path)
    return lambda path: [f"{fault.path}: {fault.reason}" for fault in schema.iter_errors(path)]


sarif, junit, own, *files = sys.argv[1:]
check = {"sarif": of_json(sarif), "xml": of_xml(junit), "json": of_json(own)}
for name in files:
    for fault in check[name.rsplit(".", 1)[1]](name):
        print(f"{name}: {fault[:300]}")
