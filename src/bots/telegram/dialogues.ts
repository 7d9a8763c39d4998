/**
 * Questions that wait for a reply. Each is a row, so an answer works after a restart and in any process. A reply to a question
 * that is over is refused: as a message it would be a request that the person pays for.
 */
import { eq, sql } from 'drizzle-orm'
import { AppError } from '../../core/errors.ts'
import type { Call } from '../../core/ports/chat.ts'
import type { Database } from '../../db/database.ts'
import { dialogues } from '../../db/schema/chats.ts'

export interface Question {
  chatId: number
  messageId: number
}

interface Asked {
  question: Question
  /** Telegram's id of the person who may answer. */
  userId: number
  /** Id of the button whose form it asks for. */
  form: string
}

export interface Dialogues {
  open(asked: Asked): Promise<void>
  /** The call of a reply: an answer if it replies to a question. Throws AppError not_your_question, question_over. */
  read(call: Call, repliedTo: Question): Promise<Call>
}

const openMinutes = 60
/** Days for which a late reply is recognised. */
const keptDays = 30

export function createDialogues({ db, rows }: Pick<Database, 'db' | 'rows'>): Dialogues {
  return {
    async open({ question, userId, form }) {
      await rows(sql`delete from dialogues where expires_at < now() - make_interval(days => ${keptDays}::int)`)
      await rows(sql`
        insert into dialogues (question, person, form, expires_at)
        values (${nameOf(question)}, ${`telegram:${userId}`}, ${form}, now() + make_interval(mins => ${openMinutes}::int))`)
    },

    async read(call, repliedTo) {
      const question = nameOf(repliedTo)
      const [asked] = await db.select().from(dialogues).where(eq(dialogues.question, question))
      if (!asked || call.act.kind !== 'message') return call
      if (asked.person !== call.from.id) throw new AppError('not_your_question')
      if (!(await claim(question, call.key))) throw new AppError('question_over')
      return { ...call, act: { kind: 'form', form: asked.form, fields: {}, text: call.act.text } }
    },
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

const nameOf = ({ chatId, messageId }: Question) => `telegram:${chatId}:${messageId}`
