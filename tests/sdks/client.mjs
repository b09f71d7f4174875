// `node client.mjs NAME URL KEY COUNT SECONDS`: COUNT events by a Node SDK, as its maker publishes it.
// Spread over SECONDS. Exits with 1 where the SDK reports that it gave anything up.
import { setTimeout as sleep } from 'node:timers/promises'

const [name, url, key, count, seconds] = process.argv.slice(2)
const givenUp = []

const sdks = {
  '@segment/analytics-node': async () => {
    const { Analytics } = await import('@segment/analytics-node')
    const sdk = new Analytics({ writeKey: key, host: url, flushInterval: 500 })
    sdk.on('error', error => givenUp.push(error))
    return { track: event => sdk.track(event), end: () => sdk.closeAndFlush() }
  },
  '@rudderstack/rudder-sdk-node': async () => {
    const { default: Analytics } = await import('@rudderstack/rudder-sdk-node')
    const sdk = new Analytics(key, { dataPlaneUrl: url, flushInterval: 500 })
    const sent = []
    const track = event => sent.push(new Promise(done => sdk.track(event, error => done(error && givenUp.push(error)))))
    return { track, end: () => Promise.all(sent) }
  },
}

const { track, end } = await sdks[name]()
for (let number = 0; number < count; number++) {
  track({ userId: `${name}-${number}`, event: 'Demo Watched', properties: { number } })
  await sleep((1000 * seconds) / count)
}
await end()
givenUp.forEach(error => console.error(error))
process.exit(givenUp.length ? 1 : 0)
