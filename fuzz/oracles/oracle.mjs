// An oracle of the differential test: judges tokens with jose. The lines are
// those of ../differential/src/oracle.rs. Run with NODE_PATH to nowhere: the
// library is found beside the copy of this file.
import { createInterface } from "node:readline";
import { importJWK, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const wanted = JSON.parse((await lines.next()).value);
const keys = {};
for (const [name, key] of Object.entries(wanted.keys)) keys[name] = await importJWK(key, name);
const options = {
  issuer: wanted.issuer,
  audience: wanted.audience,
  typ: "at+jwt",
  clockTolerance: wanted.leeway,
  currentDate: new Date(wanted.now * 1000),
  requiredClaims: ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"],
};
console.log(JSON.stringify("ready"));
for await (const line of lines) {
  const verdicts = [];
  for (const [algorithm, token, tell] of JSON.parse(line)) {
    try {
      const { payload } = await jwtVerify(token, keys[algorithm], { ...options, algorithms: [algorithm] });
      verdicts.push(tell ? payload : true);
    } catch (error) {
      verdicts.push(tell ? String(error).slice(0, 120) : false);
    }
  }
  console.log(JSON.stringify(verdicts));
}
