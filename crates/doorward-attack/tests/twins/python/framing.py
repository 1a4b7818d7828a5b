

# How a message is measured, and what may follow it on its connection.

class Framed(Sound):
    def credential(self, request):
        fields = request.headers.get_all("Authorization") or []
        if len(fields) != 1:
            raise ValueError("not one credential")
        return fields[0].removeprefix("Bearer ")

    def lengths(self, request):
        return request.headers.get_all("Content-Length") or []

    def codings(self, request):
        """Every field that any program could read as this one."""
        text = str(request.headers).lower()
        return [line for line in text.splitlines() if "transfer" in line]

    def is_framed(self, request):
        lengths, codings = self.lengths(request), self.codings(request)
        if request.headers.defects or len(lengths) + len(codings) > 1:
            return False
        if codings:
            return request.request_version == "HTTP/1.1" and self.is_coded(request, codings[0])
        return not lengths or self.is_length(lengths[0]) and self.read(request, int(lengths[0]))

    def is_length(self, text):
        return re.fullmatch("[0-9]{1,12}", text) is not None

    def read(self, request, length):
        request.rfile.read(length)
        return True

    def is_coded(self, request, coding):
        return coding == "transfer-encoding: chunked" and self.dechunk(request)

    def dechunk(self, request):
        while True:
            line = request.rfile.readline(100)
            if re.fullmatch(rb"[0-9a-fA-F]{1,8}\r\n", line) is None:
                return False
            size = int(line, 16)
            data = request.rfile.read(size + 2)
            if not data.endswith(b"\r\n"):
                return False
            if size == 0:
                return True

    def goes_on(self, request):
        """Answers what comes next on the connection."""
        if request.rfile.readline(200).startswith(b"GET /doorward"):
            request.wfile.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

    def upgrade(self, request):
        return False

    def serve(self, request):
        if self.path(request) in self.texts:
            return super().serve(request)
        if self.upgrade(request):
            return None
        if not request.headers.get("Authorization"):
            return self.refuse(request)
        if not self.is_framed(request):
            return request.answer(400, {"error": "no length"})
        super().serve(request)

    def refuse(self, request):
        request.answer(401, self.refusal(None))


@twin
class sound_framing(Framed):
    pass


@twin
class length_before_chunks(Framed):
    """Both are there: the length counts, and the connection goes on."""
    def is_framed(self, request):
        if self.lengths(request) and self.codings(request) and self.is_length(self.lengths(request)[0]):
            request.goes_on = True
            return self.read(request, int(self.lengths(request)[0]))
        return super().is_framed(request)

    def serve(self, request):
        request.goes_on = False
        super().serve(request)
        if request.goes_on:
            self.goes_on(request)


@twin
class bodies_are_not_read(Framed):
    def read(self, request, length):
        request.goes_on = length > 40
        return True

    def serve(self, request):
        request.goes_on = False
        super().serve(request)
        if request.goes_on:
            self.goes_on(request)


@twin
class lengths_are_numbers_somehow(Framed):
    def is_length(self, text):
        return int(text) == 5


@twin
class chunk_sizes_are_numbers_somehow(Framed):
    def dechunk(self, request):
        while True:
            size = int(request.rfile.readline(100).split(b";")[0], 16)
            if size < 0 or size > 2**32:
                return False
            request.rfile.read(size)
            request.rfile.readline(100)
            if size == 0:
                return True


@twin
class refused_and_read_on(Framed):
    def refuse(self, request):
        super().refuse(request)
        if request.headers.get("Content-Length"):
            self.goes_on(request)


@twin
class upgrades_to_h2c(Framed):
    def upgrade(self, request):
        if request.headers.get("Upgrade") != "h2c" or not request.headers.get("Authorization"):
            return False
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n")
        return True


@twin
class socket_for_every_page(Framed):
    def upgrade(self, request):
        if request.headers.get("Upgrade") != "websocket" or not request.headers.get("Authorization"):
            return False
        request.close_connection = True
        request.wfile.write(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        return True
