"""A request of OTLP over HTTP in JSON from standard input, read into the
official protocol buffers and written back by them, strictly: an unknown member
or a wrong type ends with an error. Ids are hexadecimal in OTLP's JSON, and
base64 in that of protocol buffers."""
import base64, json, sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

IDS = {"traceId": 16, "spanId": 8, "parentSpanId": 8}

request = json.load(sys.stdin)
for resource in request["resourceSpans"]:
    for scope in resource["scopeSpans"]:
        for span in scope["spans"]:
            for name in IDS.keys() & span.keys():
                raw = bytes.fromhex(span[name])
                assert len(raw) == IDS[name] and any(raw), name
                span[name] = base64.b64encode(raw).decode()

spans = []
message = json_format.ParseDict(request, ExportTraceServiceRequest())
for resource in message.resource_spans:
    [service] = [it.value.string_value for it in resource.resource.attributes if it.key == "service.name"]
    for scope in resource.scope_spans:
        for span in scope.spans:
            attributes = {it.key: getattr(it.value, it.value.WhichOneof("value")) for it in span.attributes}
            assert len(attributes) == len(span.attributes), "a key twice"
            spans.append({
                "service": service,
                "trace": span.trace_id.hex(),
                "span": span.span_id.hex(),
                "parent": span.parent_span_id.hex(),
                "flags": span.flags,
                "name": span.name,
                "kind": span.SpanKind.Name(span.kind),
                "status": span.status.StatusCode.Name(span.status.code),
                "took_ns": span.end_time_unix_nano - span.start_time_unix_nano,
                "began_ns": span.start_time_unix_nano,
                "attributes": attributes,
            })
json.dump(spans, sys.stdout)
