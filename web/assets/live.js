// SPDX-License-Identifier: Apache-2.0
// Keeps every [data-live] element fresh: asks for its fragment every two seconds
// while the page is looked at, and swaps it in when its ETag has changed. The
// page is whole without this. The server escapes the fragment; DOMParser runs
// no script.

const every = 2000

for (const el of document.querySelectorAll('[data-live]')) follow(el)

function follow(el) {
  const note = document.querySelector('[data-live-note]')
  let tag = '', timer = 0, busy = false

  async function tick() {
    if (busy) return
    busy = true
    clearTimeout(timer)
    try {
      if (!document.hidden) await refresh()
      say('')
    } catch {
      say(note?.dataset.lost ?? '')
    }
    busy = false
    timer = setTimeout(tick, every)
  }

  async function refresh() {
    const answer = await fetch(el.dataset.live, {
      headers: tag ? { 'If-None-Match': tag } : {},
      cache: 'no-store', redirect: 'error', signal: AbortSignal.timeout(10000),
    })
    if (answer.status === 401) return location.reload()
    if (answer.status === 304) return
    if (answer.status !== 200) throw new Error(answer.statusText)
    const html = await answer.text()
    const picked = getSelection()
    if (picked && !picked.isCollapsed && el.contains(picked.anchorNode)) return
    tag = answer.headers.get('ETag') ?? ''
    swap(new DOMParser().parseFromString(html, 'text/html').body)
  }

  // Focus stays where the reader left it.
  function swap(fresh) {
    const focusable = () => [...el.querySelectorAll('a, [tabindex]')]
    const at = focusable().indexOf(document.activeElement)
    el.replaceChildren(...fresh.childNodes)
    if (at >= 0) focusable()[at]?.focus({ preventScroll: true })
  }

  function say(text) {
    el.classList.toggle('stale', text !== '')
    if (note && note.textContent !== text) note.textContent = text
  }

  document.addEventListener('visibilitychange', () => { if (!document.hidden) tick() })
  timer = setTimeout(tick, every)
}
