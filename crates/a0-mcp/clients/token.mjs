// Adds a token to each request of the conformance suite, which has no option for one.
// Usage: MCP_TOKEN=... node --import ./token.mjs .../conformance/dist/index.js server ...
import { createRequire } from 'node:module'
const { getGlobalDispatcher, setGlobalDispatcher } = createRequire(process.argv[1])('undici')

const authorization = `Bearer ${process.env.MCP_TOKEN}`
setGlobalDispatcher(
  getGlobalDispatcher().compose(
    (dispatch) => (options, handler) =>
      dispatch({ ...options, headers: { ...options.headers, authorization } }, handler),
  ),
)
