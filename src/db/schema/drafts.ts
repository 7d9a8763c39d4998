/** What waits for a choice of the person before anything is paid for: requests with an enhanced prompt, and pictures without words. */
import { boolean, index, integer, jsonb, pgTable, text, uuid } from 'drizzle-orm/pg-core'
import type { Json } from '../json.ts'
import { users } from './accounts.ts'
import { time } from './time.ts'

/** No credits are held for a draft. Its row, and the words in it, are deleted when it expires. */
export const drafts = pgTable(
  'drafts',
  {
    id: uuid().primaryKey(),
    /** Key of the call that asked for it: the same call again changes nothing. */
    key: text().notNull().unique(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** Our message that shows it, once posted. */
    posted: text(),
    private: boolean().notNull(),
    /** The result that it starts from, as `Submission` has it. */
    parent: jsonb().$type<Json>(),
    /** The request, with the model that was chosen for it. */
    params: jsonb().$type<Json>().notNull(),
    /** Its input pictures: keys of uploads. */
    images: jsonb().$type<readonly string[]>().notNull(),
    /** Absent: the prompt could not be enhanced. */
    enhanced: text(),
    /** The price that its buttons show, with enhancement. */
    price: integer().notNull(),
    /** The price that they show for the person's own words. Absent on older rows: the same. */
    ownPrice: integer('own_price'),
    expiresAt: time('expires_at').notNull(),
    /** Key of the call that chose, once its choice was accepted. */
    decidedBy: text('decided_by'),
  },
  (t) => [index('drafts_by_age').on(t.expiresAt)],
)

/** Pictures that people sent without words. Their buttons offer what can be done with them; no credits are held. */
export const pictureOffers = pgTable(
  'picture_offers',
  {
    id: uuid().primaryKey(),
    /** Key of the call that sent it: the same call again changes nothing. */
    key: text().notNull().unique(),
    userId: uuid('user_id')
      .notNull()
      .references(() => users.id),
    /** Key of the upload. */
    image: text().notNull(),
    /** In pixels. */
    width: integer().notNull(),
    height: integer().notNull(),
    /** Prices that its buttons show, by action. */
    quoted: jsonb().$type<Json>().notNull().default({}),
    expiresAt: time('expires_at').notNull(),
  },
  (t) => [index('picture_offers_by_age').on(t.expiresAt)],
)
