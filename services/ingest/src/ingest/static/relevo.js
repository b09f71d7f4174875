/* Relevo's tracker: page views and forms to ingest, each once. It depends on nothing and stores nothing before consent.

   <script async src="https://ingest.example.com/relevo.js" data-key="PUBLIC_KEY" data-source="website"></script>

   relevo.consent(true)   the visitor's id and what is not sent yet are kept in localStorage
   relevo.consent(false)  what was kept is deleted, views are no longer sent; a form is, without an id: a person sent it
   Before either, views and forms go out under an id that dies with the page. Do Not Track and Global Privacy Control
   are consent(false) until the page says otherwise; data-signals="ignore" on the script heeds neither.
   data-relevo="off" on a form, a field or anything around them: not captured. */
(() => {
  'use strict'
  const { src, dataset } = document.currentScript
  const base = new URL('.', src).href
  const to = path => `${base}v1/${path}?key=${encodeURIComponent(dataset.key)}`
  const MOST = 50 // bodies kept
  const SECRET = /passw|contrase|token|csrf|nonce|card.?n|cvv|cvc|iban/i
  const TELLING = /^(utm_[a-z]+|gclid|gbraid|wbraid|fbclid|msclkid|li_fat_id|ttclid|twclid|dclid)$/i

  const uuid = () => ([1e7] + -1e3 + -4e3 + -8e3 + -1e11).replace(/[018]/g, digit =>
    (digit ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (digit / 4)))).toString(16))
  const now = () => new Date().toISOString()

  // What is kept: `relevo` is the visitor, `relevo:ID` a body that is not sent yet; one entry each, so that tabs do not
  // overwrite one another's. A browser that refuses storage only forgets.
  const stored = work => { try { return work(localStorage) } catch { return undefined } }
  const entries = () => stored(kept => Object.keys(kept).filter(name => /^relevo(:|$)/.test(name))) || []
  const keep = item => allowed && stored(kept => kept.setItem(`relevo:${item.id}`, JSON.stringify(item)))
  const forget = item => stored(kept => kept.removeItem(`relevo:${item.id}`))

  const objects = navigator.globalPrivacyControl || navigator.doNotTrack === '1'
  let allowed = objects && dataset.signals !== 'ignore' ? false : undefined
  let visitor = { id: uuid(), campaign: {} }
  let unsent = []

  // Sending: one after the other, each until it is answered; always under the id that its body bears.
  let sending = false, pause = 1000, timer
  const send = async () => {
    clearTimeout(timer)
    if (sending || !unsent.length) return
    sending = true
    const item = unsent[0]
    let answer
    try {
      // text/plain needs no preflight; keepalive outlives the page, up to 64 KiB
      answer = await fetch(item.to, { method: 'POST', body: item.body, keepalive: item.body.length < 6e4,
        credentials: 'omit', headers: { 'Content-Type': 'text/plain' } })
    } catch { /* no answer: as 503 */ }
    sending = false
    if (!answer || answer.status === 429 || answer.status >= 500) {
      timer = setTimeout(send, pause * (1 + Math.random() / 4))
      pause = Math.min(2 * pause, 3e5)
      return
    }
    pause = 1000
    unsent = unsent.filter(other => other.id !== item.id)
    forget(item)
    send()
  }
  const post = (kind, path, id, body) => {
    const item = { id, kind, to: to(path), body: JSON.stringify(body) }
    unsent = [...unsent, item].slice(-MOST)
    keep(item)
    send()
  }
  const leave = () => {
    if (document.visibilityState !== 'hidden') return
    unsent.slice(sending ? 1 : 0).forEach(item => navigator.sendBeacon(item.to, item.body))
  }

  // Page views, also of pages that change without loading.
  let shown
  const view = () => {
    if (document.prerendering) return
    const url = location.href.replace(/#(?![/!]).*/, '').slice(0, 2000)
    const said = [...new URL(url).searchParams].filter(([name]) => TELLING.test(name))
    if (said.length) visitor.campaign = Object.fromEntries(said)
    if (url === shown || allowed === false) return
    shown = url
    remember()
    const id = uuid(), from = document.referrer
    post('view', 'touchpoints', id, { type: 'page_viewed', id, anonymous_id: visitor.id, url, occurred_at: now(),
      title: document.title.slice(0, 500), fields: from && !from.startsWith(location.origin) ? { referrer: from } : {} })
  }
  const moved = () => setTimeout(view, 100) // the title follows the address
  for (const name of ['pushState', 'replaceState']) {
    const own = history[name]
    history[name] = function (...given) {
      own.apply(this, given)
      moved()
    }
  }

  // Forms: what a person filled in, with who was here; their names say to ingest what they mean.
  const about = form => ({
    ...visitor.campaign,
    ...(allowed !== false && { anonymous_id: visitor.id }),
    event_id: uuid(),
    form_name: form.getAttribute('name') || form.id || location.pathname,
    page_url: location.href,
    page_title: document.title,
    submitted_at: now(),
  })
  const off = element => element.closest('[data-relevo="off"]')
  const filled = form => {
    const found = {}
    for (const field of form.elements) {
      const { name, type, value } = field
      if (!name || !value || field.disabled || off(field) || SECRET.test(name)) continue
      if (/password|file|submit|button|reset|image/.test(type) || /^cc-/.test(field.autocomplete)) continue
      if (/checkbox|radio/.test(type) && !field.checked) continue
      const told = field.selectedOptions ? [...field.selectedOptions].map(option => option.value).join(', ') : value
      found[name] = name in found ? `${found[name]}, ${told}` : told
    }
    return found
  }
  let last, lastAt
  const submitted = ({ target: form }) => {
    if (!(form instanceof HTMLFormElement) || off(form)) return
    const action = form.getAttribute('action') || ''
    if (action.startsWith(base)) { // it goes to ingest by itself: only who and where from are added
      for (const [name, value] of Object.entries(about(form))) {
        if (!form.elements[name]) form.append(Object.assign(document.createElement('input'), { type: 'hidden', name, value }))
      }
      return
    }
    // A login is no form of interest; a search has nobody to answer.
    if (form.querySelector('[type=password]') && form.dataset.relevo !== 'on') return
    const told = filled(form)
    const reach = field => told[field.name] && (field.type === 'tel' || /\S@\S/.test(field.value))
    if (![...form.elements].some(reach)) return
    const again = JSON.stringify(told)
    if (again === last && Date.now() - lastAt < 3000) return // a second click
    last = again
    lastAt = Date.now()
    const here = about(form)
    const body = { ...here, ...told, event_id: here.event_id } // a form's own may be the webinar's, the same for all
    post('form', `forms/${dataset.source}`, body.event_id, body)
  }

  const remember = () => allowed && stored(kept => kept.setItem('relevo', JSON.stringify(visitor)))
  const api = {
    consent(given) {
      allowed = !!given
      if (!allowed) {
        entries().forEach(name => stored(kept => kept.removeItem(name)))
        unsent = unsent.filter(item => item.kind === 'form')
        visitor = { id: uuid(), campaign: visitor.campaign }
        return
      }
      const before = stored(kept => JSON.parse(kept.getItem('relevo'))) || {}
      const here = Object.keys(visitor.campaign).length ? visitor.campaign : before.campaign || {}
      visitor = { id: before.id || visitor.id, campaign: here }
      remember()
      unsent.forEach(keep)
      const known = new Set(unsent.map(item => item.id))
      for (const name of entries()) {
        const item = name === 'relevo' ? null : stored(kept => JSON.parse(kept.getItem(name)))
        if (item && !known.has(item.id)) unsent.push(item)
      }
      send()
      view()
    },
    view,
    push: ([name, ...given]) => api[name](...given),
  }
  const early = window.relevo // calls made while this was loading: relevo = []; relevo.push(['consent', true])
  window.relevo = api
  if (dataset.consent === 'given') api.consent(true)
  if (Array.isArray(early)) early.forEach(api.push)

  addEventListener('submit', submitted, true)
  addEventListener('popstate', moved)
  addEventListener('hashchange', moved)
  addEventListener('online', send)
  document.addEventListener('visibilitychange', leave)
  document.addEventListener('prerenderingchange', view)
  addEventListener('pageshow', event => {
    if (event.persisted) {
      shown = null
      view()
    }
  })
  view()
})()
