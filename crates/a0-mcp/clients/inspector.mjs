// Logs in to an MCP server with the MCP Inspector in a headless Chromium, from its connect switch to a tool's result.
// Usage: NODE_EXTRA_CA_CERTS=... node inspector.mjs URL FOLDER. FOLDER gets the browser's home, and inspector.png.
import { execFileSync, spawn } from 'node:child_process'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { open } from './browser.mjs'

const [url, folder] = process.argv.slice(2)
const home = join(folder, 'home')
let passed = 0
let page

// Chromium trusts the certificates of this database.
const database = join(home, '.pki/nssdb')
await rm(home, { recursive: true, force: true })
await mkdir(database, { recursive: true })
execFileSync('certutil', ['-d', `sql:${database}`, '-N', '--empty-password'])
execFileSync('certutil', [
  '-d',
  `sql:${database}`,
  '-A',
  '-t',
  'C,,',
  '-n',
  'tenant',
  '-i',
  process.env.NODE_EXTRA_CA_CERTS,
])

async function step(name, act) {
  await act()
  passed += 1
  console.log(`  ok     ${name}`)
}

// The Inspector does not choose a port itself.
const port = await new Promise((resolve) => {
  const server = createServer().listen(0, '127.0.0.1', () => {
    const { port } = server.address()
    server.close(() => resolve(String(port)))
  })
})

// Without a keychain, and without a browser of its own.
const environment = {
  ...process.env,
  HOME: home,
  CLIENT_PORT: port,
  MCP_AUTO_OPEN_ENABLED: 'false',
  MCP_INSPECTOR_SECRET_STORE: 'memory',
}
const inspector = spawn(
  process.execPath,
  [
    'node_modules/.bin/inspector',
    '--web',
    '--protocol-era',
    'auto',
    '--transport',
    'http',
    '--server-url',
    url,
  ],
  { env: environment },
)
try {
  const address = await new Promise((resolve, reject) => {
    let output = ''
    inspector.on('exit', () => reject(new Error(`the Inspector ended:\n${output}`)))
    inspector.stderr.on('data', (data) => {
      output += data
    })
    inspector.stdout.on('data', (data) => {
      output += data
      const found = output.match(/http:\/\/127\.0\.0\.1:\d+\S*TOKEN=\w+/)
      if (found) resolve(found[0])
    })
  })
  page = await open(process.env.CHROMIUM ?? 'chromium', home, address)
  await step('the Inspector lists the server as disconnected', () => page.shows('Disconnected'))
  await step('its switch leads to the login page of the tenant', async () => {
    await page.press('input[role=switch]')
    await page.shows('wants to log you in')
  })
  await step('after it, the server is connected', async () => {
    await page.press('button', 'Log in and allow')
    await page.shows('Connected')
    await page.shows('MCP 2026-07-28')
  })
  await step('the Inspector lists the tools', async () => {
    await page.press('label', 'Tools')
    await page.shows('Tools (2)')
  })
  await step('whoami tells the user', async () => {
    await page.press('button', 'whoami')
    await page.press('button', 'Execute Tool')
    await page.shows('auth0|ada')
  })
  await step('balance needs a further scope, and the Inspector asks for it', async () => {
    await page.press('button', 'balance')
    await page.press('button', 'Execute Tool')
    await page.shows('Additional permissions required')
    await page.shows('balance:read')
    await writeFile(join(folder, 'inspector.png'), await page.screenshot())
  })
  await step('the login page shows the scope', async () => {
    await page.press('button', 'Authorize')
    await page.shows('wants to log you in')
    await page.shows('balance:read')
  })
  await step('balance calls the ledger on behalf of the user', async () => {
    await page.press('button', 'Log in and allow')
    await page.shows('Step-up authorization succeeded')
    await page.press('button', 'Execute Tool')
    await page.shows('12 euros for auth0|ada')
  })
} catch (error) {
  const shown = await page?.text().catch(String)
  console.log(`  FAILED ${error.message}\nthe page shows:\n${shown}`)
  process.exitCode = 1
} finally {
  await page?.close()
  inspector.removeAllListeners('exit')
  inspector.kill()
}
console.log(
  `\ntest result: ${process.exitCode ? 'FAILED' : 'ok'}. ${passed} passed; ${process.exitCode ?? 0} failed`,
)
