// A sound API with the library jose, as its guide says: Ed25519 keys from a
// key set, and node's own HTTP server.
const crypto = require("crypto"), http = require("http"), jose = require("jose");
const issuer = "https://id.example", audience = "https://api.example";
const { publicKey, privateKey } = crypto.generateKeyPairSync("ed25519");
const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "main", alg: "EdDSA", use: "sig" }] };
const keys = jose.createLocalJWKSet(jwks);
const key = privateKey.export({ type: "pkcs8", format: "pem" });

const token = () => new jose.SignJWT({ jti: "t-1" }).setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: "main" })
    .setIssuer(issuer).setAudience(audience).setSubject("ada").setIssuedAt().setExpirationTime("15m").sign(privateKey);

http.createServer(async (request, response) => {
    const say = (status, text, more = {}) => {
        response.writeHead(status, { "Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", ...more });
        response.end(text);
    };
    const route = request.url.split("?")[0];
    if (route === "/token") return say(200, await token());
    if (route === "/jwks") return say(200, JSON.stringify(jwks));
    if (route === "/key") return say(200, key);
    if (route !== "/orders") return say(404, "{}");
    try {
        const [, text] = /^Bearer (\S+)$/i.exec(request.headers.authorization);
        const { payload } = await jose.jwtVerify(text, keys, {
            algorithms: ["EdDSA"], issuer, audience, typ: "at+jwt", requiredClaims: ["sub", "exp", "iat", "jti"],
        });
        say(200, JSON.stringify({ orders: [{ id: 7, item: "door", of: payload.sub }] }));
    } catch {
        say(401, '{"error":"unauthorized"}', { "WWW-Authenticate": "Bearer" });
    }
}).listen(Number(process.argv[2]), "127.0.0.1");
