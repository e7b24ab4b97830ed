export const meta = {
  name: 'tournament',
  description: 'Rival attempts under a hand-made semaphore, each with a time limit; the losers are left running',
  phases: [{ title: 'Attempt' }, { title: 'Judge' }],
}

class Semaphore {
  #free
  #queue = []
  constructor(n) { this.#free = n }
  async run(work) {
    if (this.#free === 0) await new Promise((resolve) => this.#queue.push(resolve))
    else this.#free--
    try {
      return await work()
    } finally {
      const next = this.#queue.shift()
      next ? next() : this.#free++
    }
  }
}

const LIMIT = new Error('time limit')
function within(ms, promise) {
  let timer
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(LIMIT), ms) })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

phase('Attempt')
const slots = new Semaphore(2)
const angles = ['simple', 'fast', 'odd', 'slow']
const attempts = await Promise.all(angles.map((angle) =>
  slots.run(() => within(30_000, agent(`attempt: ${angle}`, { label: angle })))
    .then((text) => ({ angle, text }))
    .catch((error) => (error === LIMIT ? { angle, text: null } : Promise.reject(error)))
))
const [done, late] = [attempts.filter((a) => a.text !== null), attempts.filter((a) => a.text === null)]
console.log('late:', late.map((a) => a.angle))

phase('Judge')
const first = await Promise.race(done.map(async ({ angle, text }, i) => {
  const seen = await agent(`judge ${i}: ${text}`)
  return { angle, seen: seen?.length ?? 0 }
}))
const votes = new Map()
for (const { angle } of [...done, first]) votes.set(angle, (votes.get(angle) ?? 0) + 1)
const ranking = [...votes.entries()].sort(([, a], [, b]) => b - a).map(([angle]) => angle)
const follow = await workflow('publish', { winner: ranking[0] })
return { ranking, follow, late: late.length, at: new Date().toISOString().slice(0, 10) }
