// Checks a Doorward access token with jose.
//
//     node check.mjs JWKS_URL ISSUER AUDIENCE < token

import { readFileSync } from 'node:fs'
import { createRemoteJWKSet, jwtVerify } from 'jose'

const [jwksUrl, issuer, audience] = process.argv.slice(2)
if (!audience) {
  console.error('give JWKS_URL ISSUER AUDIENCE')
  process.exit(2)
}

try {
  const token = readFileSync(0, 'utf8').trim()
  const { payload } = await jwtVerify(token, createRemoteJWKSet(new URL(jwksUrl)), {
    algorithms: ['ES256'], // never taken from the token
    issuer,
    audience,
    clockTolerance: 5, // seconds that two clocks may differ
    typ: 'at+jwt', // RFC 9068 section 4
    requiredClaims: ['sub', 'exp', 'iat', 'jti'],
  })
  console.log([payload.sub, ...(payload.permissions ?? [])].join(' '))
} catch (error) {
  console.error(`refused: ${error.message}`)
  process.exitCode = 1
}
