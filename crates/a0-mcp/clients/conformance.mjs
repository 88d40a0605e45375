// Runs the scenarios of @modelcontextprotocol/conformance for servers, and counts those that do not apply.
// Usage: MCP_TOKEN=... node conformance.mjs URL FOLDER. The reports go to FOLDER.
import { spawnSync } from 'node:child_process'

const [url, folder] = process.argv.slice(2)
const suite = [
  'node_modules/.bin/conformance',
  'server',
  '--url',
  url,
  '--suite',
  'all',
  '--expected-failures',
  'conformance.yml',
  '-o',
  folder,
]
const { stdout, stderr, status } = spawnSync(process.execPath, ['--import', './token.mjs', ...suite], {
  encoding: 'utf8',
})
const lines = stdout.split('\n')
const marked = (mark) => lines.map((line) => line.trim()).filter((line) => line.startsWith(mark))
const inapplicable = marked('~').map((line) => line.slice(2))
// A scenario with warnings alone has the mark of a passed one.
const applies = (line) =>
  line.includes(': ') && !inapplicable.some((name) => line.slice(2).startsWith(`${name}:`))
const passed = marked('✓').filter(applies)
const failed = marked('✗').filter(applies)
for (const line of [...passed, ...failed]) console.log(`  ${line}`)
console.log(`  do not apply: ${inapplicable.join(', ')}`)
if (status !== 0) console.log(stdout.slice(stdout.indexOf('=== SUMMARY')), stderr)
const failures = Math.max(failed.length, status === 0 ? 0 : 1)
console.log(
  `\ntest result: ${failures ? 'FAILED' : 'ok'}. ${passed.length} passed; ${failures} failed; ${inapplicable.length} ignored`,
)
process.exit(failures ? 1 : 0)
