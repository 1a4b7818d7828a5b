// A sound API with Express and the library jsonwebtoken, pinned to one
// algorithm: RS256, issuer and audience by its options, the rest by hand.
const crypto = require("crypto"), express = require("express"), jwt = require("jsonwebtoken");
const issuer = "https://id.example", audience = "https://api.example";
const { publicKey, privateKey } = crypto.generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwks = { keys: [{ ...publicKey.export({ format: "jwk" }), kid: "main", alg: "RS256", use: "sig" }] };
const key = privateKey.export({ type: "pkcs8", format: "pem" });

const token = jwt.sign({}, privateKey, {
    algorithm: "RS256", keyid: "main", header: { typ: "at+jwt" }, issuer, audience, subject: "ada", jwtid: "t-1", expiresIn: "15m",
});

function bearer(request, response, next) {
    try {
        const [, text] = /^Bearer (\S+)$/i.exec(request.headers.authorization);
        const { header, payload } = jwt.verify(text, publicKey, { algorithms: ["RS256"], issuer, audience, complete: true });
        if (header.typ !== "at+jwt" || [payload.sub, payload.exp, payload.iat, payload.jti].includes(undefined)) throw new Error();
        request.caller = payload.sub;
        next();
    } catch {
        response.status(401).set("WWW-Authenticate", "Bearer").json({ error: "unauthorized" });
    }
}

const app = express().disable("x-powered-by");
app.use((_, response, next) => {
    response.set({ "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff" });
    next();
});
app.get("/token", (_, response) => response.type("text").send(token));
app.get("/jwks", (_, response) => response.json(jwks));
app.get("/key", (_, response) => response.type("text").send(key));
app.all("/orders", bearer, (request, response) => response.json({ orders: [{ id: 7, item: "door", of: request.caller }] }));
app.use((_, response) => response.status(404).json({ error: "not found" }));
app.listen(Number(process.argv[2]), "127.0.0.1");
