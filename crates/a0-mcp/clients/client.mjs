// Logs in to an MCP server with @modelcontextprotocol/client, calls tools, and checks each step.
// Usage: MCP_TOKEN=... node client.mjs URL, with a token that lacks the scope of the tool `balance`.
import {
  Client,
  DpopSession,
  InsufficientScopeError,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client'

const url = process.argv[2]
const weakToken = process.env.MCP_TOKEN
const redirectUri = 'http://127.0.0.1:9/callback'
const counts = { passed: 0, failed: 0 }

function check(name, holds, seen) {
  counts[holds ? 'passed' : 'failed'] += 1
  console.log(`  ${holds ? 'ok    ' : 'FAILED'} ${name}${holds ? '' : `: ${JSON.stringify(seen)}`}`)
}

// What the client keeps. Its user's browser is a request: the tenant approves without a page.
class Provider {
  redirectUrl = redirectUri
  clientMetadata = {
    client_name: 'Node client',
    redirect_uris: [redirectUri],
    token_endpoint_auth_method: 'none',
    grant_types: ['authorization_code', 'refresh_token'],
  }
  constructor(dpop) {
    if (dpop) this.dpop = () => dpop
  }
  state() {
    return (this.stateValue = crypto.randomUUID())
  }
  clientInformation() {
    return this.client
  }
  saveClientInformation(client) {
    this.client = client
  }
  tokens() {
    return this.saved
  }
  saveTokens(tokens) {
    this.saved = tokens
  }
  saveCodeVerifier(verifier) {
    this.verifier = verifier
  }
  codeVerifier() {
    return this.verifier
  }
  redirectToAuthorization(target) {
    this.target = target
  }
  saveDiscoveryState(state) {
    this.discovered = state
  }
  discoveryState() {
    return this.discovered
  }
}

// Every request of the client, in the form that the checks read.
function recorder() {
  const log = []
  const send = async (target, init = {}) => {
    const response = await fetch(target, init)
    const form = new URLSearchParams(init.body instanceof URLSearchParams ? init.body : '')
    const headers = new Headers(init.headers)
    log.push({
      path: new URL(target).pathname,
      status: response.status,
      form,
      scheme: headers.get('authorization')?.split(' ')[0],
      version: headers.get('mcp-protocol-version'),
      type: response.headers.get('content-type'),
      challenge: response.headers.get('www-authenticate') ?? '',
    })
    return response
  }
  const seen = (part, status) => log.filter((it) => it.path.includes(part) && it.status === status)
  return { log, send, seen }
}

function connection(recorded, authProvider, version, options = {}) {
  const mode = version === '2025-11-25' ? 'legacy' : { pin: version }
  const client = new Client({ name: 'check', version: '1.0.0' }, { versionNegotiation: { mode } })
  const transport = new StreamableHTTPClientTransport(new URL(url), {
    authProvider,
    fetch: recorded.send,
    ...options,
  })
  return { client, transport }
}

// Does what a user does: opens the page, is sent back with a code, and the client goes on.
async function logIn(provider, transport) {
  const answer = await fetch(provider.target, { redirect: 'manual' })
  const callback = new URL(answer.headers.get('location')).searchParams
  const request = provider.target.searchParams
  await transport.finishAuth(callback)
  return { request, callback }
}

const failure = (promise) =>
  promise.then(
    () => undefined,
    (error) => error,
  )
const text = (result) => result?.content?.[0]?.text ?? ''

async function whole(version, dpop) {
  const scheme = dpop ? 'DPoP' : 'Bearer'
  console.log(`\n${version}, ${scheme}`)
  const recorded = recorder()
  const provider = new Provider(dpop)
  const first = connection(recorded, provider, version)
  const refused = await failure(first.client.connect(first.transport))
  check(
    'the first request is 401, and the client asks for a login',
    refused instanceof UnauthorizedError,
    String(refused),
  )
  const unauthorized = recorded.seen('/mcp', 401)[0]
  check(
    'the 401 names the metadata and the scope',
    unauthorized?.challenge.includes('resource_metadata=') &&
      unauthorized.challenge.includes('scope="mcp:use"'),
    unauthorized,
  )
  check('its body is problem details', unauthorized?.type === 'application/problem+json', unauthorized?.type)
  check(
    'the client read the metadata of the server',
    recorded.seen('/.well-known/oauth-protected-resource/mcp', 200).length === 1,
    recorded.log,
  )
  check(
    'the client read the metadata of the tenant',
    recorded.seen('/.well-known/oauth-authorization-server', 200).length === 1,
    recorded.log,
  )
  check(
    'the client registered itself',
    recorded.seen('/oidc/register', 201).length === 1 && provider.client?.client_id,
    provider.client,
  )

  const login = await logIn(provider, first.transport)
  check(
    'the authorization request has PKCE with S256',
    login.request.get('code_challenge_method') === 'S256',
    login.request,
  )
  check(
    'it names the server as its resource',
    login.request.get('resource') === url,
    login.request.get('resource'),
  )
  check(
    'it asks for the scope of the 401',
    login.request.get('scope')?.split(' ').includes('mcp:use') &&
      !login.request.get('scope').includes('balance:read'),
    login.request.get('scope'),
  )
  check(
    'the answer has the state and the issuer',
    login.callback.get('state') === provider.stateValue && login.callback.has('iss'),
    login.callback,
  )
  const grant = recorded.seen('/oauth/token', 200)[0]
  check(
    'the code was redeemed with its verifier',
    grant?.form.get('grant_type') === 'authorization_code' &&
      grant.form.get('code_verifier') === provider.verifier,
    grant,
  )
  check(`the token is a ${scheme} token`, provider.saved?.token_type === scheme, provider.saved?.token_type)

  const { client, transport } = connection(recorded, provider, version)
  await client.connect(transport)
  check(
    'the client connects with the token',
    client.getNegotiatedProtocolVersion() === version,
    client.getNegotiatedProtocolVersion(),
  )
  const listed = await client.listTools()
  check(
    'it lists two tools',
    listed.tools
      .map((tool) => tool.name)
      .sort()
      .join() === 'balance,whoami',
    listed,
  )
  const who = text(await client.callTool({ name: 'whoami', arguments: {} }))
  check('a tool knows the user', who === 'auth0|ada', who)
  check(
    `the token was sent as ${scheme}`,
    recorded.log.findLast((it) => it.path === '/mcp')?.scheme === scheme,
    recorded.log.at(-1),
  )

  const stopped = await failure(client.callTool({ name: 'balance', arguments: {} }))
  const forbidden = recorded.seen('/mcp', 403)[0]
  check(
    'a tool with another scope is 403',
    stopped instanceof UnauthorizedError && forbidden?.challenge.includes('error="insufficient_scope"'),
    String(stopped),
  )
  check(
    'the 403 names all scopes of the call',
    forbidden?.challenge.includes('scope="mcp:use balance:read"'),
    forbidden,
  )
  check('its body is problem details', forbidden?.type === 'application/problem+json', forbidden?.type)
  const stepUp = await logIn(provider, transport)
  check(
    'the client asks for these scopes',
    ['mcp:use', 'balance:read'].every((scope) => stepUp.request.get('scope').split(' ').includes(scope)),
    stepUp.request.get('scope'),
  )
  const balance = text(await client.callTool({ name: 'balance', arguments: {} }))
  check('the call passes, on behalf of the user', balance === '12 euros for auth0|ada', balance)
  check(
    'the client registered only once',
    recorded.seen('/oidc/register', 201).length === 1,
    recorded.log.length,
  )

  provider.target = undefined
  provider.saved = { ...provider.saved, access_token: forged(provider.saved.access_token) }
  const again = text(await client.callTool({ name: 'balance', arguments: {} }))
  const refresh = recorded.seen('/oauth/token', 200).at(-1)
  check(
    'a token that is no longer accepted is refreshed',
    refresh.form.get('grant_type') === 'refresh_token' && again === balance,
    again,
  )
  check('without another login', provider.target === undefined, provider.target)

  if (dpop) {
    const bare = await failure(connectWith(provider.saved.access_token, version))
    check('a bound token without its proof is refused', bare instanceof UnauthorizedError, String(bare))
  }
  await client.close()
}

// The same token with another signature.
function forged(token) {
  const at = token.length - 20
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

async function connectWith(token, version, recorded = recorder(), options = {}) {
  const { client, transport } = connection(recorded, { token: async () => token }, version, options)
  await client.connect(transport)
  return client
}

async function refusals(version) {
  console.log(`\n${version}, tokens that must not pass`)
  const recorded = recorder()
  const bad = await failure(connectWith(forged(weakToken), version, recorded))
  check(
    'a forged token is 401',
    bad instanceof UnauthorizedError && recorded.log[0]?.challenge.includes('error="invalid_token"'),
    String(bad),
  )
  const client = await connectWith(weakToken, version, recorder(), { onInsufficientScope: 'throw' })
  const who = text(await client.callTool({ name: 'whoami', arguments: {} }))
  check('a token passes where its scope is enough', who === 'auth0|ada', who)
  const lacking = await failure(client.callTool({ name: 'balance', arguments: {} }))
  check(
    'and is refused where it is not',
    lacking instanceof InsufficientScopeError && lacking.requiredScope === 'mcp:use balance:read',
    String(lacking),
  )
  const unknown = await failure(client.callTool({ name: 'refund', arguments: {} }))
  check(
    'a tool without a policy needs all scopes',
    unknown instanceof InsufficientScopeError,
    String(unknown),
  )
  await client.close()
}

for (const version of ['2025-11-25', '2026-07-28']) {
  await whole(version)
  await refusals(version)
}
await whole('2026-07-28', await DpopSession.create())
console.log(
  `\ntest result: ${counts.failed ? 'FAILED' : 'ok'}. ${counts.passed} passed; ${counts.failed} failed`,
)
process.exit(counts.failed ? 1 : 0)
