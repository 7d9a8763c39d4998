/** What whoever watches us is told in time, also when what we ask hangs. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { Database } from '../../db/database.ts'

const patienceMs = 2_000
/** A question that old is not answered any more: another is asked. */
const givenUpMs = 10_000

interface Question {
  answer: Promise<boolean>
  at: number
}

const open = new WeakMap<Database, Question>()

/** One question at a time, however many ask: a database that hangs is not asked again and again. */
export async function databaseAnswers(database: Database): Promise<boolean> {
  const before = open.get(database)
  const question = before && Date.now() - before.at < givenUpMs ? before : ask(database)
  return (await inTime(question.answer)) ?? false
}

function ask(database: Database): Question {
  const answer = database
    .ping()
    .then(() => true)
    .catch(() => false)
    .finally(() => {
      if (open.get(database) === question) open.delete(database)
    })
  const question = { answer, at: Date.now() }
  open.set(database, question)
  return question
}

/** undefined: it failed, or takes too long. */
export async function inTime<T>(work: Promise<T>): Promise<T | undefined> {
  const over = new AbortController()
  const late = sleep(patienceMs, undefined, { signal: over.signal }).catch(() => undefined)
  try {
    return await Promise.race([work.catch(() => undefined), late])
  } finally {
    over.abort()
  }
}
