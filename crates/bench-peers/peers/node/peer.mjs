// jose and fast-jwt with their keys in memory: `peer.mjs jose`, `fast-jwt` or `fast-jwt-cache`.

import { createPublicKey } from "node:crypto";
import { createInterface } from "node:readline";
import { createVerifier } from "fast-jwt";
import { importJWK, jwtVerify } from "jose";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const { issuer, audience, jwks, tokens } = JSON.parse((await lines.next()).value);
const jwk = jwks.keys[0];

async function verifier(kind) {
  if (kind === "jose") {
    const key = await importJWK(jwk, "RS256");
    const options = { issuer, audience, algorithms: ["RS256"] };
    return (token) => jwtVerify(token, key, options);
  }
  return createVerifier({
    key: createPublicKey({ key: jwk, format: "jwk" }).export({ type: "spki", format: "pem" }),
    algorithms: ["RS256"],
    allowedIss: issuer,
    allowedAud: audience,
    cache: kind === "fast-jwt-cache" ? 1000 : false,
  });
}

const verify = await verifier(process.argv[2]);
const all = async () => {
  for (const token of tokens) await verify(token);
};
for (let round = 0; round < 50; round += 1) await all();
console.log("ready");
for (let line = await lines.next(); !line.done; line = await lines.next()) {
  const start = process.hrtime.bigint();
  await all();
  console.log(Number(process.hrtime.bigint() - start) / 1e9 / tokens.length);
}
