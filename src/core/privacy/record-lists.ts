/** What is kept about a person in rows that are few enough to be in memory at once. Tokens, hashes and keys of calls are left out. */
import { type SQL, sql } from 'drizzle-orm'
import { type Columns, columnsOf, typed } from '../../db/columns.ts'
import {
  apiKeys,
  auditLog,
  identities,
  linkCodes,
  linkTries,
  panelLinks,
  privacyExports,
  webSessions,
} from '../../db/schema/accounts.ts'
import {
  codeRedemptions,
  dailyClaims,
  orders,
  payments,
  poolDraws,
  referralCodes,
  referrals,
  roleClaims,
} from '../../db/schema/billing.ts'
import { broadcastRecipients, broadcasts, privateChats } from '../../db/schema/broadcasts.ts'
import { dialogues, pickedMessages } from '../../db/schema/chats.ts'
import { drafts, pictureOffers } from '../../db/schema/drafts.ts'
import { apiRequests } from '../../db/schema/programs.ts'
import { favourites, ratings, reports } from '../../db/schema/reactions.ts'
import { userSettings } from '../../db/schema/settings.ts'

/** Name in the JSON → what is read, from where. All of it has `user_id`. */
export const lists: Readonly<Record<string, { columns: Columns<unknown>; from: SQL }>> = {
  identities: {
    columns: columnsOf({
      id: identities.id,
      name: identities.name,
      handle: identities.handle,
      createdAt: identities.createdAt,
    }),
    from: sql`identities`,
  },
  settings: {
    columns: columnsOf({
      model: userSettings.model,
      aspect: userSettings.aspect,
      count: userSettings.count,
      enhance: userSettings.enhance,
      private: userSettings.private,
      language: userSettings.language,
      original: userSettings.original,
      announcements: userSettings.announcements,
      changedAt: userSettings.changedAt,
    }),
    from: sql`user_settings`,
  },
  chats: {
    columns: columnsOf({
      person: privateChats.person,
      language: privateChats.locale,
      seenAt: privateChats.seenAt,
      blockedAt: privateChats.blockedAt,
    }),
    from: sql`private_chats join identities on identities.id = private_chats.person`,
  },
  announcements: {
    columns: columnsOf({
      id: broadcastRecipients.broadcastId,
      person: broadcastRecipients.person,
      state: broadcastRecipients.state,
      changedAt: broadcastRecipients.changedAt,
    }),
    from: sql`broadcast_recipients join identities on identities.id = broadcast_recipients.person`,
  },
  keys: {
    columns: columnsOf({
      id: apiKeys.id,
      name: apiKeys.name,
      lastCharacters: apiKeys.tail,
      monthlyCap: apiKeys.monthlyCap,
      models: apiKeys.models,
      createdAt: apiKeys.createdAt,
      usedAt: apiKeys.usedAt,
      revokedAt: apiKeys.revokedAt,
    }),
    from: sql`api_keys`,
  },
  orders: {
    columns: columnsOf({
      id: orders.id,
      platform: orders.platform,
      item: orders.item,
      credits: orders.credits,
      amount: orders.amount,
      currency: orders.currency,
      state: orders.state,
      createdAt: orders.createdAt,
      charge: typed<string | null>(payments.charge),
      paidAt: typed<Date | null>(payments.paidAt),
      refundedAt: payments.refundedAt,
    }),
    from: sql`orders left join payments on payments.order_id = orders.id`,
  },
  codes: { columns: columnsOf({ redeemedAt: codeRedemptions.createdAt }), from: sql`code_redemptions` },
  dailyCredits: {
    columns: columnsOf({ day: dailyClaims.day, streak: dailyClaims.streak, credits: dailyClaims.credits }),
    from: sql`daily_claims`,
  },
  invitationCodes: {
    columns: columnsOf({ code: referralCodes.code, createdAt: referralCodes.createdAt }),
    from: sql`referral_codes`,
  },
  /** The invitation that the person has accepted. */
  invitation: {
    columns: columnsOf({
      createdAt: referrals.createdAt,
      pictureAt: referrals.pictureAt,
      rewardedAt: referrals.rewardedAt,
    }),
    from: sql`referrals`,
  },
  /** Invitations of the person that others have accepted. */
  invitations: {
    columns: columnsOf({ createdAt: referrals.createdAt, rewardedAt: referrals.rewardedAt }),
    from: sql`(select created_at, rewarded_at, inviter_id as user_id from referrals) referrals`,
  },
  roleCredits: {
    columns: columnsOf({ chat: roleClaims.chat, day: roleClaims.day, credits: roleClaims.credits }),
    from: sql`role_claims`,
  },
  poolDraws: {
    columns: columnsOf({ chat: poolDraws.chat, day: poolDraws.day, credits: poolDraws.credits }),
    from: sql`(
      select distinct g.user_id, d.id, d.chat, d.day, d.credits from pool_draws d join generations g on g.draw_id = d.id
    ) pool_draws`,
  },
  favourites: {
    columns: columnsOf({ request: favourites.generationId, createdAt: favourites.createdAt }),
    from: sql`favourites`,
  },
  ratings: {
    columns: columnsOf({ request: ratings.generationId, value: ratings.value, createdAt: ratings.createdAt }),
    from: sql`ratings`,
  },
  reports: {
    columns: columnsOf({ request: reports.generationId, reason: reports.reason, createdAt: reports.createdAt }),
    from: sql`reports`,
  },
  drafts: {
    columns: columnsOf({
      id: drafts.id,
      params: drafts.params,
      uploads: drafts.images,
      enhanced: drafts.enhanced,
      expiresAt: drafts.expiresAt,
    }),
    from: sql`drafts`,
  },
  pictureOffers: {
    columns: columnsOf({
      id: pictureOffers.id,
      upload: pictureOffers.image,
      width: pictureOffers.width,
      height: pictureOffers.height,
      expiresAt: pictureOffers.expiresAt,
    }),
    from: sql`picture_offers`,
  },
  programRequests: {
    columns: columnsOf({
      key: typed<string>(sql`substr(api_requests.key, 38)`),
      status: apiRequests.status,
      requests: apiRequests.generationIds,
      createdAt: apiRequests.createdAt,
    }),
    from: sql`(select api_requests.*, left(key, 36)::uuid as user_id from api_requests) api_requests`,
  },
  /** Browsers that are signed in to the page. */
  sessions: {
    columns: columnsOf({
      person: webSessions.identity,
      createdAt: webSessions.createdAt,
      expiresAt: webSessions.expiresAt,
    }),
    from: sql`web_sessions join identities on identities.id = web_sessions.identity`,
  },
  signInLinks: {
    columns: columnsOf({ person: panelLinks.identity, expiresAt: panelLinks.expiresAt, usedAt: panelLinks.usedAt }),
    from: sql`panel_links join identities on identities.id = panel_links.identity`,
  },
  exports: {
    columns: columnsOf({ createdAt: privacyExports.createdAt, expiresAt: privacyExports.expiresAt }),
    from: sql`privacy_exports`,
  },
  linkCodes: {
    columns: columnsOf({ createdAt: linkCodes.createdAt, expiresAt: linkCodes.expiresAt, usedAt: linkCodes.usedAt }),
    from: sql`link_codes`,
  },
  wrongLinkCodes: { columns: columnsOf({ createdAt: linkTries.createdAt }), from: sql`link_tries` },
  /** Questions that wait for an answer of the person. */
  questions: {
    columns: columnsOf({ person: dialogues.person, expiresAt: dialogues.expiresAt }),
    from: sql`dialogues join identities on identities.id = dialogues.person`,
  },
  /** Messages whose pictures the person has chosen in a menu of Discord. */
  pickedMessages: {
    columns: columnsOf({ message: typed<string>(sql`picked->>'message'`), expiresAt: pickedMessages.expiresAt }),
    from: sql`picked_messages join identities on identities.id = 'discord:' || picked_messages.person`,
  },
  /** What administrators changed about the account. */
  changes: {
    columns: columnsOf({
      action: auditLog.action,
      before: auditLog.before,
      after: auditLog.after,
      createdAt: auditLog.createdAt,
    }),
    from: sql`(
      select audit_log.*, users.id as user_id from audit_log join users on audit_log.target = users.id::text
    ) audit_log`,
  },
  /** What the person did as administrator, without the accounts of others. */
  acts: {
    columns: columnsOf({ action: auditLog.action, createdAt: auditLog.createdAt }),
    from: sql`audit_log join identities on identities.id = audit_log.actor`,
  },
  broadcasts: {
    columns: columnsOf({
      id: broadcasts.id,
      surface: broadcasts.surface,
      text: broadcasts.text,
      state: broadcasts.state,
      createdAt: broadcasts.createdAt,
    }),
    from: sql`broadcasts join identities on identities.id = broadcasts.asked_by`,
  },
}
