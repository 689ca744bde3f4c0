"""Holds calls that crossed the wire against AWS's own service models, which come with botocore.

Reads a JSON list of calls {service, operation, parameters, status, headers, body} from standard input; prints
{"operations": [...], "violations": [...]}: each operation that was met, and each way in which a request or an answer is not
what the model says.
"""

import json
import re
import sys
from xml.etree import ElementTree

from botocore.loaders import Loader
from botocore.model import ServiceModel
from botocore.parsers import create_parser
from botocore.validate import ParamValidator

# Answered by every service (each service's API reference, "Common errors"), so no operation's model names them.
COMMON_ERRORS = re.compile(
    r"^(AccessDenied|Throttling|ExpiredToken|UnrecognizedClient|InvalidClientTokenId|MissingAuthenticationToken|Validation"
    r"|Serialization|UnknownOperation|InternalFailure|InternalService|ServiceUnavailable|RequestThrottled)\w*$"
)
SCALARS = {
    "string": str,
    "character": str,
    "blob": str,
    "boolean": bool,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "timestamp": (int, float),
}


def load_models(names):
    loader = Loader()
    return {name: ServiceModel(loader.load_service_model(name, "service-2"), name) for name in names}


def operation_of(service, name):
    """The operation's model; restJson1 services are asked by path, whose case may differ from the name's."""
    for candidate in service.operation_names:
        if candidate.lower() == name.lower():
            return service.operation_model(candidate)
    return None


def children(shape):
    return {member.serialization.get("name", name): member for name, member in shape.members.items()}


def check(value, shape, path):
    """Yields what about a JSON value its shape does not allow: members, types, enumerations, lengths, ranges, patterns."""
    kind = shape.type_name
    if kind == "structure":
        yield from check_structure(value, shape, path)
    elif kind in ("list", "map"):
        expected = list if kind == "list" else dict
        if not isinstance(value, expected):
            yield f"{path} is {json.dumps(value)}, the model says {kind}"
            return
        yield from check_size(len(value), shape, path)
        entries = enumerate(value) if kind == "list" else value.items()
        for key, member in entries:
            yield from check(member, shape.member if kind == "list" else shape.value, f"{path}[{key}]")
    else:
        yield from check_scalar(value, shape, path)


def check_structure(value, shape, path):
    if not isinstance(value, dict):
        yield f"{path} is {json.dumps(value)}, the model says structure"
        return
    known = children(shape)
    for name, member in value.items():
        if name not in known:
            yield f"{path}.{name} is unknown to the model"
        elif member is None:
            yield f"{path}.{name} is null; AWS leaves out what there is not"
        else:
            yield from check(member, known[name], f"{path}.{name}")
    for name in shape.required_members:
        if shape.members[name].serialization.get("name", name) not in value:
            yield f"{path}.{name} is required"
    if shape.is_tagged_union and len(value) != 1:
        yield f"{path} is a union and has {len(value)} members"


def check_scalar(value, shape, path):
    kind = shape.type_name
    if not isinstance(value, SCALARS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield f"{path} is {json.dumps(value)}, the model says {kind}"
        return
    if kind == "string":
        if shape.enum and value not in shape.enum:
            yield f"{path} is {value}, none of {', '.join(shape.enum)}"
        yield from check_size(len(value), shape, path)
        pattern = shape.metadata.get("pattern")
        if pattern and not matches(pattern, value):
            yield f"{path} is {json.dumps(value)}, which {pattern} does not match"
    elif kind in ("integer", "long", "float", "double"):
        yield from check_size(value, shape, path)


def check_size(size, shape, path):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None and size < low:
        yield f"{path} has the size {size}, the model's least is {low}"
    if high is not None and size > high:
        yield f"{path} has the size {size}, the model's most is {high}"


def matches(pattern, value):
    try:
        return re.search(f"^(?:{pattern})$", value) is not None
    except re.error:
        return True  # a construct that Python's expressions do not have


def from_texts(value, shape):
    """AWS Query carries every scalar as text: back to what the model says."""
    if isinstance(value, dict):
        members = children(shape) if shape.type_name == "structure" else {}
        return {name: from_texts(part, members[name]) if name in members else part for name, part in value.items()}
    if isinstance(value, list):
        return [from_texts(part, shape.member) for part in value]
    if shape.type_name in ("integer", "long") and re.fullmatch(r"-?\d+", value):
        return int(value)
    return {"true": True, "false": False}.get(value, value) if shape.type_name == "boolean" else value


def from_xml(element, shape):
    """The JSON value that an XML element stands for by its shape; children that the shape has not stay as texts."""
    if shape.type_name == "structure":
        known = children(shape)
        named = [(child.tag.split("}")[-1], child) for child in element]
        return {name: from_xml(child, known[name]) if name in known else child.text for name, child in named}
    if shape.type_name == "list":
        return [from_xml(child, shape.member) for child in element]
    text = element.text or ""
    return 0 if shape.type_name == "timestamp" else from_texts(text, shape)


def check_request(call, operation):
    shape = operation.input_shape
    parameters = call["parameters"]
    if shape is None:
        if parameters:
            yield "has parameters, the model knows none"
        return
    if operation.service_model.metadata["protocol"] == "query":
        parameters = from_texts(parameters, shape)
    yield from check(parameters, shape, "request")
    report = ParamValidator().validate(parameters, shape)
    if report.has_errors():
        yield f"request: {report.generate_report()}"


def check_answer(call, operation):
    metadata = operation.service_model.metadata
    parser = create_parser(metadata["protocol"])
    shape = operation.output_shape
    answer = {"status_code": call["status"], "headers": call["headers"], "body": call["body"].encode()}
    parsed = parser.parse(answer, shape)
    if call["status"] >= 300:
        code = parsed["Error"]["Code"]
        modelled = {error.metadata.get("error", {}).get("code", error.name) for error in operation.error_shapes}
        modelled |= {error.name for error in operation.error_shapes}
        if code not in modelled and not COMMON_ERRORS.match(code):
            yield f"error {code} is none of {', '.join(sorted(modelled))}"
        return
    if shape is None:
        if call["body"].strip() not in ("", "{}"):
            yield "the model knows no answer, but there is one"
        return
    if metadata["protocol"] == "query":
        frame = ElementTree.fromstring(call["body"])
        wrapper = shape.serialization.get("resultWrapper", f"{operation.name}Result")
        yield from check(from_xml(next(part for part in frame if part.tag.endswith(wrapper)), shape), shape, "answer")
    else:
        yield from check(json.loads(call["body"] or "{}"), shape, "answer")
    parsed.pop("ResponseMetadata", None)
    report = ParamValidator().validate(parsed, shape)
    if report.has_errors():
        yield f"answer: {report.generate_report()}"


def main():
    calls = json.load(sys.stdin)
    models = load_models({call["service"] for call in calls})
    met, violations = {}, {}
    for call in calls:
        operation = operation_of(models[call["service"]], call["operation"])
        name = f"{call['service']}:{operation.name if operation else call['operation']}"
        if operation is None:
            violations.setdefault(f"{name} is unknown to the model", call)
            continue
        outcome = "ok" if call["status"] < 300 else "error"
        met.setdefault(name, {"ok": 0, "error": 0})[outcome] += 1
        for text in [*check_request(call, operation), *check_answer(call, operation)]:
            violations.setdefault(f"{name}: {text}", call)
    print(json.dumps({"operations": met, "violations": list(violations)}))


main()
