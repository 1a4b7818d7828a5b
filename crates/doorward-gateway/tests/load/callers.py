"""Callers that come, ask, and stay: `KIND HOST PORT PATH`.

Each line on standard input is a number; so many more of them come, one after
the other, and `there` says that they have. They leave with the end of the input.
"""

import socket, ssl, sys

kind, host, port, path = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
context = ssl._create_unverified_context()
context.set_alpn_protocols(["h2" if kind == "tls-h2" else "http/1.1"])


def exactly(stream, length):
    got = b""
    while len(got) < length:
        more = stream.recv(length - len(got))
        assert more, "the gateway hung up"
        got += more
    return got


def ask(stream):
    request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
    stream.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        head += exactly(stream, 1)
    length = head.lower().split(b"content-length:")[1].split(b"\r\n")[0]
    exactly(stream, int(length))
    assert head.startswith(b"HTTP/1.1 200"), head


def ask_in_frames(stream):
    def frame(kind, flags, number, payload):
        return len(payload).to_bytes(3, "big") + bytes([kind, flags, 0, 0, 0, number]) + payload

    def literal(index, text):
        return bytes([index, len(text)]) + text.encode()

    # Method, scheme, path and authority (RFC 7541 appendix A).
    fields = b"\x82" + (b"\x87" if kind == "tls-h2" else b"\x86")
    fields += literal(0x04, path) + literal(0x01, host)
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    stream.sendall(preface + frame(4, 0, 0, b"") + frame(4, 1, 0, b""))
    # Several, for whatever is remembered of each; no more than a window is wide.
    for number in range(1, 41, 2):
        stream.sendall(frame(1, 5, number, fields))
        await_end(stream)


def await_end(stream):
    while True:
        head = exactly(stream, 9)
        payload = exactly(stream, int.from_bytes(head[:3], "big"))
        if head[3] == 1:
            assert 0x88 in payload[:4], "status 200"
        if head[3] in (0, 1) and head[4] & 1:
            return


callers = []
for line in sys.stdin:
    for _ in range(int(line)):
        stream = socket.create_connection((host, port))
        stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if kind in ("tls", "tls-h2"):
            stream = context.wrap_socket(stream)
        if kind in ("plain", "tls"):
            ask(stream)
        elif kind in ("h2", "tls-h2"):
            ask_in_frames(stream)
        callers.append(stream)
    print("there", flush=True)
