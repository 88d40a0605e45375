// A headless Chromium, driven by the DevTools protocol, with the WebSocket of Node 22.
import { spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds))

// Repeats `attempt` until it gives a value. An attempt that meets a navigation may never end.
export async function until(what, attempt, seconds = 20) {
  const end = Date.now() + seconds * 1000
  while (Date.now() < end) {
    const value = await Promise.race([attempt().catch(() => undefined), pause(2000)])
    if (value) return value
    await pause(100)
  }
  throw new Error(`timed out after ${seconds} seconds: ${what}`)
}

// `home` holds the profile, and the certificates to trust in .pki/nssdb.
export async function open(program, home, url, size = [1280, 800]) {
  const profile = join(home, 'profile')
  await rm(profile, { recursive: true, force: true })
  const child = spawn(
    program,
    [
      '--headless=new',
      // The sandbox cannot be used by root.
      ...(process.getuid() === 0 ? ['--no-sandbox'] : []),
      // All pages are on loopback. No other name or address is looked up.
      '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--remote-debugging-port=0',
      `--user-data-dir=${profile}`,
      `--window-size=${size.join()}`,
      'about:blank',
    ],
    { env: { ...process.env, HOME: home }, stdio: 'ignore' },
  )
  const gone = new Promise((resolve) => child.once('exit', resolve).once('error', resolve))
  const end = async (ask) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), 5000)
    ask()
    await gone
    clearTimeout(timer)
  }
  try {
    const page = await attach(profile)
    await page.send('Page.navigate', { url })
    return { ...page, close: () => end(() => page.send('Browser.close').catch(() => {})) }
  } catch (error) {
    await end(() => child.kill())
    throw error
  }
}

// The first page of the Chromium with this profile.
async function attach(profile) {
  const port = await until(
    'Chromium starts',
    async () => (await readFile(join(profile, 'DevToolsActivePort'), 'utf8')).split('\n')[0],
  )
  const targets = await until('a page', async () => (await fetch(`http://127.0.0.1:${port}/json`)).json())
  const socket = new WebSocket(targets.find((target) => target.type === 'page').webSocketDebuggerUrl)
  await new Promise((resolve, reject) => {
    socket.onopen = resolve
    socket.onerror = reject
  })
  const waiting = new Map()
  let last = 0
  const closed = () => new Error('Chromium closed the connection')
  socket.onclose = () => waiting.forEach(({ reject }) => reject(closed()))
  socket.onmessage = ({ data }) => {
    const { id, result, error } = JSON.parse(data)
    const { resolve, reject } = waiting.get(id) ?? {}
    waiting.delete(id)
    error ? reject?.(new Error(error.message)) : resolve?.(result)
  }
  const send = (method, params = {}) =>
    new Promise((resolve, reject) => {
      if (socket.readyState !== WebSocket.OPEN) return reject(closed())
      waiting.set(++last, { resolve, reject })
      socket.send(JSON.stringify({ id: last, method, params }))
    })
  const evaluate = async (expression) => {
    const { result, exceptionDetails } = await send('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text)
    return result.value
  }
  const text = () => evaluate('document.body.innerText')
  // Clicks the first visible element that matches, with this text if one is given.
  const press = (selector, label) =>
    until(`${selector} ${label ?? ''}`, () =>
      evaluate(`(() => {
    const found = [...document.querySelectorAll(${JSON.stringify(selector)})].find((it) =>
      it.checkVisibility() && !it.disabled && (${label === undefined} || it.innerText.trim() === ${JSON.stringify(label)}))
    found?.click()
    return !!found
  })()`),
    )
  const shows = (part, seconds) =>
    until(`the page shows ${part}`, async () => (await text()).includes(part), seconds)
  const screenshot = async () => {
    await evaluate(`Promise.allSettled(document.getAnimations()
      .filter((it) => it.effect.getComputedTiming().endTime !== Infinity).map((it) => it.finished)).then(() => true)`)
    return Buffer.from((await send('Page.captureScreenshot', { format: 'png' })).data, 'base64')
  }
  return { send, evaluate, text, press, shows, screenshot }
}
