/**
 * Questions that wait for a reply. Each is a row, so an answer works after a restart and in any process. A reply to a question
 * that is over is refused: as a message it would be a request that the person pays for. The row exists before the question is
 * sent, so a reply is also refused if the process died before it knew the message.
 */
import { setTimeout as pause } from 'node:timers/promises'
import { eq, sql } from 'drizzle-orm'
import { v7 as uuidv7 } from 'uuid'
import { AppError } from '../../../core/errors.ts'
import type { Call, MessageName } from '../../../core/ports/chat.ts'
import type { Database } from '../../../db/database.ts'
import { dialogues } from '../../../db/schema/chats.ts'

export interface Question {
  chatId: number
  messageId: number
}

/** A message that was replied to. */
export interface Replied extends Question {
  /** When it was sent, in seconds of Telegram's clock. Absent: the message is certainly no question. */
  sentAt?: number
}

interface Asking {
  chatId: number
  /** Telegram's id of the person who may answer. */
  userId: number
  /** Id of the button whose form it asks for. */
  form: string
  /** Name of the message whose button opened it. Absent: a command did. */
  openedOn?: MessageName
}

export interface Dialogues {
  /** Call this before sending a question. Resolves to a name for it until its message is known. */
  announce(asking: Asking): Promise<string>
  /** Records that the question was sent: from now on it can be answered. */
  open(name: string, question: Question): Promise<void>
  /** Deletes a question that was certainly not sent. */
  withdraw(name: string): Promise<void>
  /** The call of a reply: an answer if it replies to a question. Throws AppError not_your_question, question_over. */
  read(call: Call, repliedTo: Replied): Promise<Call>
}

const openMinutes = 60
/** Days for which a late reply is recognised. */
const keptDays = 30
/** A message sent within this time of an announced question may be that question. Clocks differ. */
const sendingMinutes = 3
/** An answer may arrive before its question is saved as sent. */
const lookAgainMs = 200
const maxLooks = 10

export function createDialogues({ db, rows }: Pick<Database, 'db' | 'rows'>): Dialogues {
  return {
    async announce({ chatId, userId, form, openedOn }) {
      const name = `asking:${uuidv7()}`
      await rows(sql`delete from dialogues where expires_at < now() - make_interval(days => ${keptDays}::int)`)
      await rows(sql`
        insert into dialogues (question, sending_to, person, form, opened_on, expires_at)
        values (${name}, ${chatOf(chatId)}, ${`telegram:${userId}`}, ${form}, ${openedOn ?? null},
          now() + make_interval(mins => ${openMinutes}::int))`)
      return name
    },

    async open(name, question) {
      await rows(sql`update dialogues set question = ${nameOf(question)}, sending_to = null where question = ${name}`)
    },

    async withdraw(name) {
      await rows(sql`delete from dialogues where question = ${name}`)
    },

    async read(call, repliedTo) {
      const question = nameOf(repliedTo)
      if (call.act.kind !== 'message') return call
      let asked = await find(question)
      for (let looks = 0; !asked && (await mayBeLost(repliedTo)); looks++) {
        if (looks === maxLooks) throw new AppError('question_over')
        await pause(lookAgainMs)
        asked = await find(question)
      }
      if (!asked) return call
      if (asked.person !== call.from.id) throw new AppError('not_your_question')
      if (!(await claim(question, call.key))) throw new AppError('question_over')
      const on = asked.openedOn ?? undefined
      return { ...call, act: { kind: 'form', form: asked.form, fields: {}, text: call.act.text, on } }
    },
  }

  async function find(question: string) {
    const [asked] = await db.select().from(dialogues).where(eq(dialogues.question, question))
    return asked
  }

  /** Whether it may be a question whose process died, or got no response, while it was being sent. */
  async function mayBeLost({ chatId, sentAt }: Replied): Promise<boolean> {
    if (sentAt === undefined) return false
    const found = await rows(sql`
      select 1 from dialogues where sending_to = ${chatOf(chatId)}
        and abs(extract(epoch from expires_at - make_interval(mins => ${openMinutes}::int)) - ${sentAt}::bigint)
          < ${sendingMinutes}::int * 60
      limit 1`)
    return found.length > 0
  }

  /** An answer that was refused leaves the question open for another one. */
  async function claim(question: string, key: string): Promise<boolean> {
    const claimed = await rows(sql`
      update dialogues set answered_by = ${key}
      where question = ${question} and (answered_by = ${key} or expires_at > now() and (answered_by is null
        or not exists (select from generations where generations.key = answered_by)))
      returning 1`)
    return claimed.length > 0
  }
}

const chatOf = (chatId: number) => `telegram:${chatId}`
const nameOf = ({ chatId, messageId }: Question) => `${chatOf(chatId)}:${messageId}`
