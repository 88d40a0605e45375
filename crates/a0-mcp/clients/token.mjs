// Adds a token to each request of the conformance suite to the server, for which the suite has no option.
// Usage: MCP_TOKEN=... node --import ./token.mjs .../conformance/dist/index.js server --url URL ...
import { createRequire } from 'node:module'
const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])('undici')

const { origin } = new URL(process.argv[process.argv.indexOf('--url') + 1])
const authorization = `Bearer ${process.env.MCP_TOKEN}`
const withToken = (options) => ({ ...options, headers: { ...options.headers, authorization } })
setGlobalDispatcher(
  getGlobalDispatcher().compose(
    (dispatch) => (options, handler) =>
      dispatch(new URL(options.origin).origin === origin ? withToken(options) : options, handler),
  ),
)
