// Writes what it parsed to standard output, one JSON line for each request.
// The path is read as the URL class of browsers and of most routers does.
import { createServer } from 'node:http'

const folded = (headers) =>
  Object.entries(headers)
    .filter(([name]) => name.replaceAll('_', '-') === 'x-auth-sub')
    .map(([, value]) => value)
    .join('')

const server = createServer((request, response) => {
  const pieces = []
  request.on('error', () => {})
  request.on('data', (piece) => pieces.push(piece))
  request.on('end', () => {
    const path = decodeURIComponent(new URL(request.url, 'http://a').pathname)
    const seen = {
      method: request.method,
      target: request.url,
      path,
      host: request.headers.host ?? '',
      body: Buffer.concat(pieces).toString('latin1'),
      identity: folded(request.headers) + folded(request.trailers),
    }
    process.stdout.write(JSON.stringify(seen) + '\n')
    response.end('ok')
  })
})
server.keepAliveTimeout = 60_000
server.listen(Number(process.argv[2]), '127.0.0.1')
