// Reads the secret from the file that `kid` names, as if it were one of ours.
const crypto = require("crypto"), fs = require("fs"), http = require("http"), path = require("path");
const keys = fs.mkdtempSync(path.join(require("os").tmpdir(), "twin-"));
fs.writeFileSync(path.join(keys, "main"), crypto.randomBytes(32));
process.on("exit", () => fs.rmSync(keys, { recursive: true }));

const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const hmac = (kid, input) => crypto.createHmac("sha256", fs.readFileSync(path.join(keys, kid))).update(input).digest("base64url");
const claims = { iss: "https://id.example", sub: "ada", exp: Math.floor(Date.now() / 1000) + 600 };

function token() {
    const input = `${b64(JSON.stringify({ alg: "HS256", kid: "main" }))}.${b64(JSON.stringify(claims))}`;
    return `${input}.${hmac("main", input)}`;
}

function verify(text) {
    const [head, payload, signature, ...more] = text.split(".");
    if (more.length || !/^[\w-]+\.[\w-]+\.[\w-]+$/.test(text)) return false;
    const header = JSON.parse(Buffer.from(head, "base64url"));
    if (header.alg !== "HS256" || Object.keys(header).length !== 2) return false;
    return hmac(header.kid, `${head}.${payload}`) === signature && JSON.parse(Buffer.from(payload, "base64url")).exp > Date.now() / 1000;
}

http.createServer((request, response) => {
    const say = (status, body) => {
        response.writeHead(status, { "Content-Type": "application/json", Connection: "close" });
        response.end(body);
    };
    const route = request.url.split("?")[0];
    if (route === "/token") return say(200, token());
    if (route !== "/orders") return say(404, "{}");
    const fields = request.rawHeaders.filter((_, index) => index % 2 === 0 && request.rawHeaders[index].toLowerCase() === "authorization");
    let good = false;
    try {
        good = fields.length === 1 && verify(/^Bearer (\S+)$/.exec(request.headers.authorization)[1]);
    } catch {}
    return good ? say(200, JSON.stringify({ orders: [{ id: 7 }] })) : say(401, '{"error":"unauthorized"}');
}).listen(Number(process.argv[2]), "127.0.0.1");
