/** English. A language is one file like this, and a line in index.ts; `Words` makes the compiler find every missing text. */
import type { Report } from '../core/ports/content.ts'
import type { PricedPart } from '../core/ports/models.ts'
import type { SkuKind } from '../db/schema/billing.ts'
import type { EntrySource } from '../db/schema/ledger.ts'
import { amountOf, type Data, eitherOf, firstOf, hasLimit, listOf, numberOf, pluralOf } from './format.ts'

const list = listOf(', ')
/** Addresses must not have punctuation at their ends. */
const spaced = listOf(' ')
const number = numberOf('en')
const plural = pluralOf('en')
const either = eitherOf('en')
const credits = (count: Data[string]) =>
  plural(amountOf(count), { one: '1 credit', other: `${number(amountOf(count))} credits` })

/** An estimate in words, from a number of seconds that is rounded already. */
const about = (seconds: number) => `about ${seconds > 100 ? `${number(Math.ceil(seconds / 60))} min` : `${seconds} s`}`

const platforms: Readonly<Record<string, string>> = { discord: 'Discord', telegram: 'Telegram', web: 'page' }
/** Of an identity: 'discord:123'. */
const platform = (identity: string) => {
  const [name = ''] = identity.split(':')
  return platforms[name] ?? name
}

/** Why a picture is too big. */
const pictureLimit = (d: Data) => {
  const size = `it has ${number(amountOf(d.width))} × ${number(amountOf(d.height))} pixels, and`
  if (d.limitSide !== undefined) return `${size} a side may have ${number(amountOf(d.limitSide))} at most`
  if (d.limitMegapixels !== undefined) return `${size} at most ${d.limitMegapixels} megapixels are possible`
  if (d.limitProgressive !== undefined) {
    return `${size} a progressive JPEG of this kind may have ${d.limitProgressive} megapixels at most: save it without “progressive”`
  }
  if (d.limitRatio !== undefined) return `${size} one side may be ${d.limitRatio} times the other at most`
  return `at most ${d.limitMb} MB each`
}

/** Why a person cannot be invited. */
const notInvitable = new Map([
  ['self', 'You cannot invite yourself. Give the invitation to people who are new here.'],
  ['drew', 'Invitations are for new people: you have drawn pictures here before.'],
  ['invited', 'Another person has invited you already.'],
  ['mutual', 'You have invited this person yourself.'],
  ['off', 'There are no credits for invitations here.'],
])
interface LimitsShown {
  inFlight: number
  perMinute: number
}
const limits = (l: LimitsShown) => `${number(l.inFlight)} under way, ${number(l.perMinute)} a minute`

/** Seconds after acceptance. */
interface RequestTimes {
  when: string
  started?: number
  submitted?: number
  stored?: number
  ended?: number
  deadline?: number
}

const times = ({ when: _, ...seconds }: RequestTimes): [string, number][] =>
  Object.entries(seconds).filter((each): each is [string, number] => each[1] !== undefined)

export const en = {
  /** How browsers and platforms call this language. */
  tags: { html: 'en', discord: [] as readonly string[], telegram: undefined as string | undefined },

  status: {
    queued: ({ place, at, seconds }: { place?: number; at?: string; seconds?: number }) =>
      [
        `⏳ ${place === undefined ? 'In the queue' : `Number ${number(place)} in the queue`}`,
        ...(at === undefined ? [] : [` at ${at}`]),
        ...(seconds === undefined ? [] : [`, ${about(seconds)}`]),
      ].join(''),
    drawing: ({ percent, seconds }: { percent?: number; seconds?: number }) =>
      [
        '🎨 Drawing',
        ...(percent === undefined ? [] : [`${percent} %`]),
        ...(seconds === undefined ? [] : [`${about(seconds)} left`]),
      ].join(', '),
    finishing: '🎨 Almost there …',
    /** A status and the prompt, in one line. */
    of: (status: string, prompt: string) => `${status}: ${prompt}`,
  },
  facts: {
    seed: (seed: string) => `seed ${seed}`,
    seconds: (seconds: number) => `${seconds.toFixed(1)} s`,
    credits: (c: { credits: number; left?: number; byPool?: boolean }) => {
      const spent = c.byPool ? `${credits(c.credits)} from the server’s pool` : credits(c.credits)
      return c.left === undefined ? spent : `${spent}, ${number(c.left)} left`
    },
    id: (id: string) => `#${id}`,
    parent: (id: string) => `from #${id}`,
    masked: 'with a mask',
    grown: (sides: string) => `extended by ${sides}`,
    loras: (loras: readonly string[]) => `LoRA ${list(loras)}`,
    enhancedBy: (text: string, model: string) => `${text} (${model})`,
  },
  notes: {
    prompt_cut: (d: Data) =>
      `The prompt was too long for this model: only its first ${d.limit ?? ''} ${d.of ?? 'tokens'} count.`,
    not_enhanced: () => 'The prompt could not be enhanced, so the original was used.',
    some_missing: () => 'Some pictures did not arrive. You paid only for those that did.',
    may_be_missing: () =>
      'Telegram did not confirm that it got the pictures. If you do not see them, press Send again.',
  },
  /** The lines of a chat completion, by which clients find its parts. */
  completion: {
    original: (prompt: string) => `🎨 Original prompt: ${prompt}`,
    optimizer: (model: string | undefined) => `💬 Prompt optimizer: ${model ?? 'Original Prompt'}`,
    optimized: (prompt: string) => `🌐 Optimized prompt: ${prompt}`,
    size: (size: string) => `📐 Image size: ${size}`,
    drawing: '⏳ Drawing the image …',
    done: '🌟 The image is ready!\nHere is the result:',
    alt: (prompt: string) => prompt || 'image',
  },
  refunded: (reason: string, count: number) =>
    count > 0 ? `${reason} Nothing was charged: ${credits(count)} given back.` : reason,
  warning: (text: string) => `⚠️ ${text}`,
  stopped: (text: string) => `✖️ ${text}`,

  buttons: {
    useenhanced: '✨ Use it',
    useown: 'Use mine',
    draw: '🎨 Draw it',
    editdraft: '✏️ Edit it',
    setpictures: '🖼 Pictures',
    setanswers: '💬 Answers',
    groupsettings: '👥 Settings of this group',
    allowed: '🎨 Models',
    allowedpage: 'Page',
    allow: '▫️',
    forbid: '✅',
    allowall: 'All models',
    exportdata: '📦 Export',
    closeaccount: '🗑 Delete account',
    closeforgood: 'Delete for good',
    keepaccount: 'Keep it',
    joinaccounts: '🔗 Join them',
    buy: '⭐ Buy credits',
    audience: '👥',
    broadcast: '📣 Send',
    dropbroadcast: 'Do not send',
    pause: '⏸ Pause',
    resume: '▶️ Resume',
    stop: '⏹ Stop',
    mute: '🔕 No more announcements',
    unmute: '🔔 Get announcements again',
    useinput: '📥 Use as input',
    getresult: '📬 Get result',
    reroll: '🎲 Again',
    vary: '🔀 Vary',
    edit: '✏️ Edit',
    remix: '🔁 Other model',
    upscale: '🔍 Upscale',
    zoomoutless: '🔭 Zoom out 1.5×',
    zoomout: '🔭 Zoom out 2×',
    panleft: '⬅️ Pan left',
    panright: '➡️ Pan right',
    panup: '⬆️ Pan up',
    pandown: '⬇️ Pan down',
    describe: '📝 Describe',
    original: '💾 Original',
    favourite: '⭐',
    up: '👍',
    down: '👎',
    report: '🚩 Report',
    delete: '🗑 Delete',
    erase: 'Delete for good',
    keep: 'Keep',
    drop: 'Cancel',
    queue: '🔄 Refresh',
    models: 'Page',
    prefer: 'Use',
    example: 'Example',
    varyphoto: '🔀 Vary',
    editupload: '✏️ Edit',
    editphoto: '✏️ Edit',
    enlargephoto: '🔍 Upscale',
    describephoto: '📝 Describe',
    show: '🔍',
    resend: '📨 Send again',
    older: 'Older ▶',
    newer: '◀ Newer',
    cancel: 'Cancel',
  } satisfies Record<string, string>,
  /** Entries in the menu of a message, of at most 32 characters. */
  menus: { edit: 'Edit with fluxbot', input: 'Use as input', recipe: 'Show recipe' },
  recipe: (r: { prompt: string; enhanced?: string; flags: string; inputs: number; masked: boolean }) =>
    [
      '📜 To draw it again, send:',
      `${r.enhanced ?? r.prompt} ${r.flags}`,
      ...(r.enhanced === undefined ? [] : ['', `✏️ Written as: ${r.prompt}`]),
      ...(r.inputs === 0
        ? []
        : [
            '',
            plural(r.inputs, { one: 'It started from a picture.', other: `It started from ${r.inputs} pictures.` }),
          ]),
      ...(r.masked ? ['A mask marked the area that was drawn.'] : []),
    ].join('\n'),
  toasts: {
    cancelled: 'Cancelled.',
    sure: 'Sure?',
    kept: 'Kept.',
    deleted: 'Deleted.',
    chosen: 'On its way.',
  },
  reactions: {
    favourite: '⭐ Added to your favourites.',
    noFavourite: 'Removed from your favourites.',
    up: '👍 Thanks for the rating.',
    down: '👎 Thanks for the rating.',
    unrated: 'Your rating was removed.',
    reported: '🚩 Thanks. The administrators will look at it.',
    reportKept: '🚩 Thanks. The report is kept for the people who run this bot.',
  },
  /** A link to a picture that is shown smaller. `number`: which one, if there are several. */
  fullSize: (number?: number) => (number === undefined ? 'Full size' : `Full size ${number}`),
  originals: (count: number) => plural(count, { one: '💾 The original picture', other: '💾 The original pictures' }),
  originalsUnclear: 'The chat did not confirm that it got the files. If you do not see them, press Original again.',
  /** A press of 'erase' whose result may have messages that the bot does not know. */
  mayBeLeft:
    'Deleted. The chat did not confirm some messages when they were sent: if you still see one, please delete it yourself, or ask an administrator of the group.',
  /** Beside an album, with the buttons that belong under it. */
  buttonsMayBeMissing:
    'Telegram did not confirm that it got the text and the buttons below the pictures. If you do not see them, use these buttons: Send again shows the whole result once more.',
  /** What the page shows of the account while a request is composed. */
  composed: {
    balance: (balance: number) => `${credits(balance)} left`,
  },
  /** The label of a button that costs something. */
  priced: (label: string, price: number) => `${label} · ${credits(price)}`,

  /** By action and field: a form whose texts are missing here does not compile. */
  forms: {
    edit: {
      title: '✏️ Edit the picture',
      fields: {
        prompt: { label: 'Prompt', hint: 'What the new picture should show' },
        aspect: { label: 'Ratio', hint: 'Like the picture' },
        model: { label: 'Model', hint: 'The model that draws it' },
        pictures: { label: 'More pictures', hint: 'Used together with this picture' },
      },
      model: (m: { title: string; price: number; wordsOnly: boolean }) =>
        `${m.title} · ${credits(m.price)}${m.wordsOnly ? ' · ignores the picture' : ''}`,
    },
    remix: {
      title: '🔁 The same with another model',
      fields: { model: { label: 'Model', hint: 'The model that draws it' } },
      model: (m: { title: string; price: number; count?: number }) =>
        [
          m.title,
          credits(m.price),
          ...(m.count === undefined ? [] : [plural(m.count, { one: '1 picture', other: `${m.count} pictures` })]),
        ].join(' · '),
    },
    useinput: {
      title: '📥 A new picture from this one',
      fields: {
        prompt: { label: 'Prompt', hint: 'What to change, or what to draw' },
        aspect: { label: 'Ratio', hint: 'Like the picture' },
        model: { label: 'Model', hint: 'The model that draws it' },
      },
    },
    report: {
      title: '🚩 Report the picture',
      fields: { reason: { label: 'Reason', hint: 'What is wrong with it' } },
    },
    editdraft: {
      title: '✏️ Edit the prompt',
      fields: { prompt: { label: 'Prompt', hint: 'What to draw' } },
    },
    editupload: {
      title: '✏️ Edit a picture',
      fields: {
        pictures: { label: 'Picture', hint: 'Up to 10; not every model takes several' },
        prompt: { label: 'Prompt', hint: 'What to change, such as: make it night' },
        aspect: { label: 'Ratio', hint: 'Like the picture' },
        model: { label: 'Model', hint: 'The model that draws it' },
      },
    },
    editphoto: {
      title: '✏️ Edit the picture',
      fields: { prompt: { label: 'Change', hint: 'What to change, such as: make it night' } },
    },
    setpictures: {
      title: '⚙️ Settings for pictures',
      fields: {
        model: { label: 'Model', hint: 'For requests that name none' },
        aspect: { label: 'Ratio', hint: 'For requests without a picture' },
        count: { label: 'Count', hint: 'Pictures of one request' },
        enhance: { label: 'Enhance prompts', hint: 'on, off or ask' },
      },
    },
    setanswers: {
      title: '⚙️ Settings for answers',
      fields: {
        private: { label: 'Private', hint: 'Whether only you see your pictures' },
        language: { label: 'Language', hint: 'The language of all answers' },
        original: { label: 'Original files', hint: 'Whether to send the stored files too' },
      },
    },
  },
  /** A form as a question, on platforms without forms. */
  question: {
    write: 'Reply to this message with your answer.',
    choose: 'Reply to this message with one of these. Tap one to copy it:',
    reply: 'Reply to this message with the new text. Tap the current one to copy it:',
    more: 'To change more, add lines like these:',
    example: (label: string, value: string) => `${label}: ${value}`,
    choices: (values: readonly string[]) => `(${list(values)})`,
    pictures: (label: string) => `${label}: send them with your answer.`,
  },

  settings: {
    title: { person: '⚙️ Your settings', chat: '⚙️ The settings of this group' },
    saved: '✅ Saved.',
    names: {
      model: 'Model',
      aspect: 'Ratio',
      count: 'Count',
      enhance: 'Enhance prompts',
      private: 'Private',
      language: 'Language',
      original: 'Original files',
      announcements: 'Announcements',
    },
    values: { on: 'on', off: 'off', ask: 'ask first', default: 'default' },
    languages: { en: 'English', zh: '简体中文' } as Readonly<Record<string, string>>,
    origins: { person: 'yours', chat: 'this group’s', service: 'default' },
    ofModel: 'up to the model',
    ofClient: 'as in your app',
    fixed: (s: { name: string; value: string }) => `${s.name}: ${s.value}`,
    filesKept: 'always: pictures here are the stored files',
    line: (s: { name: string; value: string; origin: string }) => `${s.name}: ${s.value} · ${s.origin}`,
    usage:
      '/settings ratio 16:9 changes one of them; others are model, count, enhance, private, language, original and announcements. ' +
      '/settings ratio default resets it.',
    usageHere: 'People who manage a group add "here" to set it for all: /settings ratio 16:9 here',
    usageOfGroup:
      '/settings ratio 16:9 here changes one of them; others are model, count, enhance, private, language and original. ' +
      '/settings ratio default here resets it.',
    usageModels: '/settings models flux-dev, sketch limits the group to these models. /settings models all allows all.',
    modelsTitle: (page: number) =>
      page === 1 ? '⚙️ Models that may draw in this group' : `⚙️ Models that may draw in this group, page ${page}`,
    modelsHint: 'Tap a model to allow (✅) or forbid it here. Only people who manage this group can do that.',
  },
  server: {
    title: '🛠 The rules of this server',
    channels: (c: { only: readonly string[]; except: readonly string[] }) =>
      c.only.length > 0
        ? `Channels: only ${c.only.join(' ')}`
        : c.except.length > 0
          ? `Channels: all but ${c.except.join(' ')}`
          : 'Channels: all',
    models: (ids: readonly string[] | null) => `Models: ${ids === null ? 'all' : list(ids)}`,
    defaults: (d: { model: string; ratio: string }) => `Default model: ${d.model} · default ratio: ${d.ratio}`,
    private: (value: string) => `Private answers by default: ${value}`,
    pool: (p: { balance: number; cap: number }) =>
      `Pool: ${credits(p.balance)} · a member may draw ${p.cap === 0 ? 'nothing' : `${credits(p.cap)} a day`}`,
    role: (r: { name: string; credits: number }) => `Role ${r.name}: ${credits(r.credits)} a day`,
    nsfw: (value: string) => `NSFW pictures in age-restricted channels: ${value}`,
  },
  drafts: {
    shown: (d: { prompt: string; enhanced?: string; minutes: number }) =>
      [
        d.prompt,
        '',
        ...(d.enhanced === undefined
          ? ['⚠️ The prompt could not be enhanced. You can draw it as it is, or edit it.']
          : [`✨ ${d.enhanced}`]),
        '',
        `Nothing is charged until you choose. The buttons work for ${d.minutes} minutes.`,
      ].join('\n'),
    closed: (prompt: string) => `${prompt}\n\n✏️ You have edited this prompt.`,
  },
  greeting: {
    examples: [
      'a lighthouse in a storm, oil painting 16:9',
      'a fox reading a newspaper in a café, watercolor',
      'a tiny city inside a glass bottle, macro photo',
    ],
    text: (g: { price: number }): string =>
      [
        'Hello! Write what you want to see, and I draw it. Send a picture with words to change it.',
        '',
        ...en.greeting.examples.map((example, index) => `${index + 1}. ${example}`),
        '',
        `Tap an example to draw it, for ${credits(g.price)}. /help shows what else I can do.`,
      ].join('\n'),
  },
  inline: {
    draw: 'Draw a new picture',
  },
  photos: {
    offered: 'What shall I do with this picture? Choose below, or reply to it with words that say what to change.',
  },
  sentPrivately: '🔒 The answer goes to you in a private message.',

  balance: (b: { balance: number; held: number; price: number; model: string }) =>
    `💳 ${credits(b.balance)}${b.held > 0 ? `, and ${number(b.held)} on hold for requests under way` : ''}. A picture with ${b.model} costs ${credits(b.price)}.`,
  entry: (e: { amount: number; reason: string; when: string }) =>
    `${e.when}  ${e.amount > 0 ? '+' : ''}${number(e.amount)}  ${e.reason}`,
  entryKinds: {
    grant: 'given',
    take: 'taken back',
    hold: 'request',
    capture: 'missing pictures given back',
    release: 'given back',
  },
  /** Where credits come from, or what took them. */
  entrySources: {
    welcome: 'welcome',
    daily: 'daily credits',
    role: 'a role’s daily credits',
    referral: 'invitation',
    code: 'code',
    gift: 'gift',
    pool: 'pool of a server',
    order: 'purchase',
    refund: 'refund',
    link: 'joined accounts',
    late: 'joined accounts',
    closing: 'account closed',
  } satisfies Record<Exclude<EntrySource, 'admin'>, string>,
  gave: (grant: { user: string; amount: number; balance: number }) =>
    `✅ ${grant.user}: ${grant.amount > 0 ? '+' : ''}${number(grant.amount)}, the balance is now ${credits(grant.balance)}.`,
  wallet: {
    debt: (debt: number) =>
      `You owe ${credits(debt)}: a payment was refunded after its credits were spent. The next credits that you get pay this off first.`,
    owes: (debt: number) => `Debt: ${credits(debt)}.`,
    inviteByLink: (i: { link: string; credits: number }) =>
      `🤝 Invite people: ${i.link}\nAfter their first picture, you and they get ${credits(i.credits)} each.`,
    inviteByCode: (i: { code: string; credits: number }) =>
      `🤝 Invite people: they send /redeem ${i.code} before their first picture. After it, you and they get ${credits(i.credits)} each.`,
    pool: (p: { balance: number; cap: number; drawn: number }) =>
      `🏦 The pool of this server: ${credits(p.balance)}. ${p.cap === 0 ? 'It pays for no requests.' : `It pays when yours do not suffice, up to ${credits(p.cap)} a day; today you have drawn ${number(p.drawn)}.`}`,
    funded: (f: { fresh: boolean; amount: number; balance: number; pool: number }) =>
      `${f.fresh ? '🏦' : 'Moved before:'} ${credits(f.amount)} moved into the pool of this server, which has ${credits(f.pool)} now. You have ${credits(f.balance)}.`,
    invited: (count: number) =>
      `🤝 You were invited. After your first picture, you and the person who invited you get ${credits(count)} each.`,
    daily: (d: { fresh: boolean; credits: number; streak: number; balance: number; next: number; nextAt: string }) =>
      [
        d.fresh ? `🎁 +${credits(d.credits)}` : `🎁 You have today’s ${credits(d.credits)} already`,
        ...(d.streak > 1 ? [`, day ${number(d.streak)} in a row`] : []),
        `. The balance is ${credits(d.balance)}. You can get the next ${number(d.next)} from ${d.nextAt}. If you miss a day, the count of days starts again.`,
      ].join(''),
    redeemed: (r: { fresh: boolean; credits: number; balance: number }) =>
      `${r.fresh ? `🎁 +${credits(r.credits)}.` : `You have redeemed this code already: it gave you ${credits(r.credits)}.`} The balance is ${credits(r.balance)}.`,
    gift: (g: { from: string; to: string; amount: number }) => `🎁 ${g.from} gave ${credits(g.amount)} to ${g.to}.`,
    code: (c: { code: string; credits: number; uses: number; days?: number }) =>
      [
        `🎟 ${c.code}`,
        '',
        `/redeem ${c.code} gives ${credits(c.credits)}, ${plural(c.uses, { one: 'to one person', other: `to ${number(c.uses)} people, once each` })}${
          c.days === undefined ? '' : `, within ${plural(c.days, { one: '1 day', other: `${number(c.days)} days` })}`
        }.`,
        'Copy it now: it is shown only once.',
      ].join('\n'),
    set: (s: { user: string; balance: number }) => `✅ ${s.user}: the balance is now ${credits(s.balance)}.`,
    account: (a: { user: string; balance: number; held: number; debt: number }) =>
      `💳 ${a.user}: ${credits(a.balance)}, ${number(a.held)} on hold, ${number(a.debt)} of debt`,
    requestRefunded: (r: { fresh: boolean; id: string; credits: number; balance: number }) =>
      `${r.fresh ? '✅' : 'Refunded before:'} #${r.id}, ${credits(r.credits)} given back. The balance of the payer is ${credits(r.balance)}.`,
    moneyRefunded: (r: { fresh: boolean; charge: string }) =>
      `${r.fresh ? '✅' : 'Refunded before:'} ${r.charge} is given back. It gave no credits.`,
    paymentRefunded: (r: { fresh: boolean; charge: string; credits: number; balance: number; debt: number }) =>
      `${r.fresh ? '✅' : 'Refunded before:'} ${r.charge}, ${credits(r.credits)} taken back. The balance of the buyer is ${credits(r.balance)}, the debt ${credits(r.debt)}.`,
  },
  /** Credits for sale, and their payments. */
  shop: {
    list: '⭐ Buy credits with Telegram Stars. Choose a package to get its invoice. /terms has the terms, /paysupport helps with payments.',
    none: 'No credits are for sale at the moment.',
    item: (p: { credits: number; stars: number }) => `${credits(p.credits)} · ⭐ ${number(p.stars)}`,
    /** Of an invoice, with at most 32 characters. */
    title: (count: number) => credits(count),
    /** Of an invoice, with at most 255 characters. */
    about: (count: number) =>
      `${credits(count)} for drawing pictures, added to your balance as soon as you have paid. Paying means that you accept /terms.`,
    paid: (p: { credits: number; balance: number; debt: number; paidOff: number }) =>
      [
        `🎉 Thank you! You bought ${credits(p.credits)}.`,
        ...(p.paidOff > 0 ? [`${credits(p.paidOff)} of them paid off your debt.`] : []),
        `The balance is ${credits(p.balance)}${p.debt > 0 ? `, and you still owe ${credits(p.debt)}` : ''}.`,
      ].join(' '),
    refunded: (r: { credits: number; balance: number }) =>
      `↩️ Your payment was refunded, and its ${credits(r.credits)} were taken back. The balance is ${credits(r.balance)}.`,
    returned: '↩️ Your account was deleted before the payment arrived, so you get your Stars back.',
    unmatched: (charge: string) =>
      `⚠️ This payment belongs to no order, so no credits were added. Send this to the people who run the bot: /paysupport ${charge}`,
    terms: [
      '📄 Terms for credits',
      '',
      '• You buy credits with Telegram Stars. Credits pay for pictures in this bot, and on all platforms that your account is linked with. They are not money and cannot be paid out.',
      '• Credits are added as soon as Telegram confirms the payment. They do not expire.',
      '• The price of a picture is shown before it is drawn. Pictures that fail or do not arrive cost nothing.',
      '• If you ask for a refund with /paysupport, the people who run this bot decide about it. A refund takes the credits back; if they are spent, the next credits that you get pay this off.',
      '• Do not use pictures to break the law or to harm people. An account that does may be banned.',
      '• If you delete your account with /privacy delete, its credits are lost.',
      '• You buy from the people who run this bot, not from Telegram. Telegram’s support cannot help with this purchase.',
    ].join('\n'),
    /** `stars` absent: it was paid on another platform. */
    payment: (p: { charge: string; credits: number; stars?: number; when: string; isRefunded: boolean }) =>
      `${p.when} · ${credits(p.credits)}${p.stars === undefined ? '' : ` · ⭐ ${number(p.stars)}`}${p.isRefunded ? ' · refunded' : ''}\n${p.charge}`,
    support: (s: { payments: readonly string[]; hasAdmins: boolean }) =>
      [
        '💬 Help with payments',
        '',
        ...(s.payments.length > 0 ? ['Your last payments:', ...s.payments] : ['You have paid for nothing yet.']),
        '',
        s.hasAdmins
          ? 'Is something wrong, or do you want a refund? Send /paysupport and what happened, such as: /paysupport I paid and got no credits. Your words and this list go to the people who run this bot.'
          : 'Is something wrong, or do you want a refund? Write to the people who run this bot, at the address in its profile, and name the payment: the line that starts with telegram.',
        'Telegram’s support cannot help with purchases in this bot.',
      ].join('\n'),
    noAdmins:
      'This bot cannot pass messages on. Write to the people who run it, at the address in its profile, and name the payment that /paysupport shows.',
    supportPace: 'You have just sent a message. Wait a minute, then send the next one.',
    supportSent: '✅ Your message went to the people who run this bot. They will write to you here on Telegram.',
    asked: (a: { person: string; message: string; payments: readonly string[] }) =>
      [
        `💬 ${a.person} asks about payments:`,
        a.message,
        '',
        ...(a.payments.length > 0
          ? [...a.payments, '', '/refund and the line that starts with telegram gives a payment back.']
          : ['This person has no payments.']),
      ].join('\n'),
    packages: '⭐ Packages of credits',
    saved: '✅ Saved. Invoices with other prices can no longer be paid.',
    line: (p: { id: string; credits: number; stars: number; active: boolean }) =>
      `${p.id} · ${credits(p.credits)} · ⭐ ${number(p.stars)}${p.active ? '' : ' · not sold'}`,
    usage:
      '/package small 100 150 sells 100 credits for 150 Stars. /package small off stops selling them, /package small on sells them again.',
    skus: '🛒 Credits for what Discord’s shop sells',
    skuSaved: '✅ Saved. If the SKU gives credits, earlier purchases that gave none get them now.',
    noSkus: 'No SKU gives credits.',
    sku: (s: { id: string; credits: number; kind: SkuKind | null; available: boolean }) =>
      `${s.id} · ${credits(s.credits)} · ${s.kind ?? 'not listed by Discord'}${s.available || s.kind === null ? '' : ' · not for sale'}`,
    skuUsage:
      '/credits sku 1019475255913222144 100 gives 100 credits for each purchase of that SKU, and for each period of a subscription. With 0 credits, its purchases give nothing.',
  },
  link: {
    expired: 'This link has expired. Ask for the picture again.',
    forged: 'This link is not valid.',
    missing: 'There is no such picture.',
  },
  keys: {
    title: '🔑 Your API keys',
    none: 'You have no API keys. /apikey create [name] makes one.',
    line: (k: {
      id: string
      name: string
      tail: string
      spent: number
      cap?: number
      models?: readonly string[]
      used?: string
    }) =>
      [
        `…${k.tail}  ${k.name}`,
        `${number(k.spent)}${k.cap === undefined ? '' : ` of ${number(k.cap)}`} credits this month`,
        ...(k.models ? [`only ${k.models.join(', ')}`] : []),
        k.used === undefined ? 'never used' : `last used ${k.used}`,
        k.id,
      ].join(' · '),
    created: (k: { name: string; key: string; cap?: number; models?: readonly string[] }) =>
      [
        `🔑 ${k.name}`,
        k.key,
        '',
        'Copy it now: it is shown only once. Anyone who has it can spend your credits.',
        ...(k.cap === undefined ? [] : [`At most ${credits(k.cap)} a month.`]),
        ...(k.models ? [`Only with ${k.models.join(', ')}.`] : []),
      ].join('\n'),
    revoked: (k: { name: string; tail: string }) => `✅ …${k.tail} (${k.name}) no longer works.`,
    usage:
      '/apikey lists your keys, /apikey create [name] [--cap credits a month] [--models a,b] makes one, /apikey revoke <id or last four> ends one.',
    unnamed: 'key',
  },
  queue: {
    title: '⏳ Your requests under way',
    none: 'You have no request under way.',
    cancelled: (prompt: string) => `✖️ Cancelled: ${prompt}`,
    lanes: 'Image services:',
    lane: (l: { title: string; running: number; places: number; waiting: number }) =>
      `${l.title}: ${number(l.running)} of ${number(l.places)} places in use, ${number(l.waiting)} waiting`,
  },
  models: {
    title: (page: number) => (page === 1 ? '🎨 Models' : `🎨 Models, page ${page}`),
    name: (m: { number: number; id: string; title: string; price: number; isDefault: boolean }) =>
      `${m.number}. ${m.isDefault ? '⭐ ' : ''}${m.title} · ${m.id} · ${credits(m.price)} a picture${m.isDefault ? ' · default' : ''}`,
    takes: (t: { words: boolean; fewest: number; most: number }) => {
      const pictures = t.most === 1 ? 'a picture' : `up to ${t.most} pictures`
      if (t.most === 0) return 'Takes words'
      if (!t.words) return `Takes ${pictures}, no words`
      return t.fewest === 0 ? `Takes words, and ${pictures} if you like` : `Takes words and ${pictures}`
    },
    /** It takes masks. */
    mask: 'mask (API)',
    aliases: (names: readonly string[]) => `Also: ${list(names)}`,
  },
  prices: {
    /** `megapixels`: where the size begins or ends. */
    parts: {
      small: (megapixels) => `picture up to ${megapixels} megapixels`,
      standard: () => 'picture',
      large: (megapixels) => `picture over ${megapixels} megapixels`,
      huge: (megapixels) => `picture over ${megapixels} megapixels`,
      upscale: () => 'enlargement to twice the size',
      input: () => 'input picture',
      enhance: () => 'enhanced prompt',
    } satisfies Record<PricedPart, (megapixels?: number) => string>,
    others: (prices: readonly string[]) => `Prices: ${list(prices)}`,
    title: '💳 Prices',
    line: (p: { id: string; price: number; changed: boolean; off: boolean }) =>
      `${p.id} · ${credits(p.price)}${p.changed ? ' · changed' : ''}${p.off ? ' · turned off' : ''}`,
    part: (p: { name: string; label: string; price: number; changed: boolean }) =>
      `${p.name} (${p.label}): ${credits(p.price)}${p.changed ? ' · changed' : ''}`,
    more: (count: number) => `… and ${number(count)} more`,
    everyModel: 'All models (*)',
    none: 'No price is set for all models.',
    saved: '✅ Saved. Requests accepted before keep their price.',
    usage:
      '/price flux-dev shows all prices of a model. /price flux-dev 3 and /price flux-dev large 5 change one, ' +
      '/price flux-dev default restores the built-in prices. /price * input 1 changes a price of all models.',
    switched: (m: { model: string; enabled: boolean }) =>
      m.enabled ? `✅ ${m.model} is offered again.` : `✅ ${m.model} is turned off. Requests under way go on.`,
  },
  /** After a mention of the person who asked, below a result that took long. */
  late: { done: 'your picture is ready.', failed: 'your request has ended without a picture.' },
  described: (prompt: string) => `📝 ${prompt}`,
  history: {
    title: (filters: readonly string[]) => ['🖼 Your requests', ...filters].join(' · '),
    empty: 'Nothing here yet. Try: a cute cat 16:9',
    noMatch: (filters: readonly string[]) => `No request of yours matches: ${filters.join(', ')}.`,
    line: (h: { number: number; id: string; when: string; state: string; prompt: string; model: string }) =>
      `${h.number}. ${h.state} ${h.prompt === '' ? '' : `${h.prompt} `}(${h.model}, ${h.when}) #${h.id}`,
    favourites: 'favourites',
    states: { done: 'done', failed: 'failed', waiting: 'waiting', cancelled: 'cancelled' },
  },
  linking: {
    code: (c: { code: string; minutes: number; links: readonly string[] }) =>
      [
        `🔗 Send this within ${c.minutes} minutes where your other account is, in Discord, in Telegram or on the page:`,
        `/link ${c.code}`,
        ...(c.links.length > 0 ? ['', 'Or open this there:', ...c.links] : []),
        '',
        'Both become one account, with one balance and one history. The code works once. Give it to no one.',
      ].join('\n'),
    sure: (s: { people: readonly string[] }) =>
      [
        `🔗 This makes one account of yours and the one of: ${list(s.people)}.`,
        'Both then have one balance, one history and one set of API keys, and each can spend all credits.',
        'Press the button only if both are yours. If another person sent you the code or link, do nothing.',
      ].join('\n'),
    joined: (j: { people: readonly string[]; balance: number; takenBack: number; keysEnded: number }) =>
      [
        `🔗 Joined. One account now belongs to: ${list(j.people)}.`,
        `The balance is ${credits(j.balance)}.`,
        ...(j.takenBack > 0
          ? [
              `A person gets welcome, daily and invitation credits for one account, so ${credits(j.takenBack)} of the second one went back.`,
            ]
          : []),
        ...(j.keysEnded > 0
          ? [
              'One account is an administrator’s. The API keys of the other one no longer work, and its browsers are signed out.',
            ]
          : []),
        'Send /unlink to leave the joined account.',
      ].join('\n'),
    person: (p: { id: string; name: string }) => `${p.name} (${platform(p.id)})`,
    unlinked:
      '✂️ You have an account of your own here now, with no credits. Your credits, history and API keys stay with the other account.',
  },
  /** Takes the place of codes in the conversation of the page. */
  secretHidden: (minutes: number) => `What is hidden here was shown for ${minutes} minutes, and cannot be shown again.`,
  panel: {
    link: (url: string, minutes: number) =>
      `🖥 Open this link within ${minutes} minutes. It signs one browser in to your account, so give it to no one:\n${url}`,
    ended: (browsers: number) =>
      `✅ ${plural(browsers, { one: '1 browser was', other: `${number(browsers)} browsers were` })} signed out.`,
  },
  /** Answers to administrators. */
  admin: {
    banned: (b: { user: string; until?: string; reason?: string; cancelled: number }) =>
      [
        `⛔ ${b.user} is banned ${b.until === undefined ? 'for good' : `until ${b.until}`}${b.reason === undefined ? '.' : `: ${b.reason}`}`,
        ...(b.cancelled === 0
          ? []
          : [`${plural(b.cancelled, { one: '1 request', other: `${number(b.cancelled)} requests` })} cancelled.`]),
      ].join('\n'),
    unbanned: (user: string) => `✅ ${user} is no longer banned.`,
    notBanned: (user: string) => `${user} is not banned.`,
    limitsOf: (l: { user: string; inFlight: number; perMinute: number; tier: string | null }) =>
      `${l.user}: ${limits(l)} · ${l.tier === null ? 'no tier' : `tier ${l.tier}`}`,
    usualLimits: (l: LimitsShown) => `Without a tier: ${limits(l)}`,
    tier: (t: LimitsShown & { name: string }) => `Tier ${t.name}: ${limits(t)}`,
    report: (r: Report) =>
      [
        `🚩 ${r.reporter ?? 'A person whose account was deleted'} reports a result:`,
        r.reason || 'No reason was given.',
        '',
        ...(r.private ? ['The result is private: only its owner can see or delete it.'] : []),
        ...(r.people > 1 ? [`${number(r.people)} people have reported it.`] : []),
        `/lookup ${r.id}`,
      ].join('\n'),
    lookup: {
      person: (p: { name: string; id: string; since: string; balance: number; held: number; debt: number }) =>
        [
          `👤 ${p.name} · ${p.id} · since ${p.since}`,
          `💳 ${credits(p.balance)}, ${number(p.held)} on hold${p.debt === 0 ? '' : `, ${number(p.debt)} owed`}`,
        ].join('\n'),
      closed: (when: string) => `Account deleted ${when}`,
      limits: (underWay: number) => `${number(underWay)} under way; limits`,
      entries: 'Last entries:',
      requests: 'Last requests:',
      keys: 'API keys:',
      acts: 'Changes by administrators:',
      reports: (people: number) =>
        `Reported by ${plural(people, { one: '1 person', other: `${number(people)} people` })}:`,
      reported: (r: { when: string; name: string; reason: string }) =>
        `${r.when}  ${r.name || 'deleted account'}: ${r.reason || 'no reason given'}`,
      request: (r: {
        id: string
        state: string
        model: string
        provider: string
        seconds: number
        when: string
        error?: string
      }) =>
        `#${r.id} ${r.state} ${r.error === undefined ? '' : `${r.error} · `}${r.model} · ${r.provider} · ${r.seconds.toFixed(1)} s · ${r.when}`,
      key: (k: { id: string; tail: string; name: string; used?: string }) =>
        `…${k.tail} ${k.name} · ${k.used === undefined ? 'never used' : `last used ${k.used}`} · ${k.id}`,
      state: (s: { icon: string; state: string; attempt: number }) =>
        `${s.icon} ${s.state}, ${plural(s.attempt, { one: '1 attempt', other: `${s.attempt} attempts` })}`,
      people: (p: { person: string; payer?: string }) =>
        p.payer === undefined ? `By ${p.person}` : `By ${p.person}, paid by ${p.payer}`,
      price: (p: { price: number; spent: number; dollars?: number }) =>
        `Price ${credits(p.price)}, paid or on hold ${number(p.spent)}${p.dollars === undefined ? '' : `, charged by the provider $${p.dollars}`}`,
      reference: (id: string) => `Reference of the provider: ${id}`,
      tried: (routes: string) => `Tried before: ${routes}`,
      times: (t: RequestTimes) =>
        [`Accepted ${t.when}`, ...times(t).map(([name, seconds]) => `${name} after ${seconds.toFixed(1)} s`)].join(
          ', ',
        ),
    },
    terminal:
      'Only commands for administrators work in the terminal. npm run admin lists them; some need a person, a model or a code.',
    limitsUsage: [
      '/limits @user in_flight 10 per_minute 60',
      '/limits @user tier gold',
      '/limits tier gold in_flight 10 per_minute 60',
      '"default" in place of a value removes it.',
    ].join('\n'),
  },
  /** Announcements of administrators to many people. */
  broadcasts: {
    preview: (text: string, audiences: readonly string[]) =>
      [text, '', '———', '📣 A preview: the text above is what people get. Choose who gets it:', ...audiences].join(
        '\n',
      ),
    audience: (a: { number: number; name: string; people: number; chosen: boolean }) =>
      `${a.number}. ${a.name}: ${plural(a.people, { one: '1 person', other: `${number(a.people)} people` })}${a.chosen ? ' ✅' : ''}`,
    everyone: 'Everyone who has written in private',
    active: (days: number) => `Wrote in the last ${days} days`,
    states: {
      draft: '📝 Not sent yet',
      running: '📣 Sending',
      paused: '⏸ Paused',
      done: '✅ Sent',
      stopped: '⏹ Stopped',
    },
    status: (s: {
      title: string
      audience: string
      text: string
      sent: number
      blocked: number
      failed: number
      /** People who may have got it, and the first of them by identity. */
      unclear: { people: number; named: readonly string[] }
      skipped: number
      left: number
    }) =>
      [
        `${s.title} · ${s.audience}`,
        '',
        s.text,
        '',
        `${number(s.sent)} sent, ${number(s.blocked)} blocked the bot, ${number(s.failed)} failed, ${number(s.left)} left`,
        ...(s.skipped === 0 ? [] : [`${number(s.skipped)} left out: muted, banned or blocked since the start`]),
        ...(s.unclear.people === 0
          ? []
          : [
              `${number(s.unclear.people)} unclear, may have arrived, not sent again: ${list(firstOf(s.unclear.named, s.unclear.people))}`,
            ]),
      ].join('\n'),
    already: {
      running: 'Under way.',
      paused: 'Paused.',
      done: 'It has been sent already.',
      stopped: 'Stopped.',
    },
    dropped: '✖️ Not sent.',
    muted: 'You get no more announcements. /settings announcements on brings them back.',
    unmuted: 'You get announcements again.',
  },
  privacy: {
    about: ({ days }: { days?: number }) =>
      [
        '🔐 What is kept about you',
        '• your name and id on each platform, your settings and your credits',
        '• your requests: words, options, input pictures and results; your favourites, ratings and reports',
        days === undefined
          ? '• pictures until you delete them'
          : `• pictures for ${plural(days, { one: '1 day', other: `${number(days)} days` })}; favourites stay`,
        '• pictures uploaded for later requests for a day, conversations on the page for 90 days at most',
        '• browsers that are signed in to the page as you: since when, and until when at most',
        '• on Telegram, when you last wrote in private, and which announcements went to you, for a week',
        'A message or command itself is deleted as soon as it is answered.',
        '',
        '/privacy export: a link to all of it',
        '/privacy delete: deletes your account with all words and pictures',
      ].join('\n'),
    nothing: 'Nothing is kept about you.',
    link: (url: string, hours: number) =>
      `📦 Everything that is kept about you, in one archive. The link works for ${hours} hours, for everyone who has it, so give it to no one:\n${url}`,
    sure: ({ balance, minutes }: { balance: number; minutes: number }) =>
      `⚠️ This deletes your account, your words and your pictures on all platforms, stops your requests under way, revokes your API keys, and signs your browsers out of the page.${balance > 0 ? ` Your ${credits(balance)} are lost.` : ''} It cannot be undone. The button works for ${minutes} minutes.`,
    deleted:
      'Your account is deleted. Pictures and messages in chats are deleted within minutes, as far as the chats allow it. If you write again, you get a new account.',
    kept: 'Your account stays as it is.',
  },
  /** The page behind a link of `/privacy export`. */
  exports: {
    about:
      'The archive holds everything that fluxbot keeps about you: data.json and your pictures. Keys, codes and the sessions of browsers are listed without what signs in.',
    download: 'Download',
    over: 'This link is not valid, or has expired. Send /privacy export for another one.',
  },
  states: { queued: '⏳', running: '🎨', stored: '🎨', delivered: '✅', failed: '⚠️', cancelled: '✖️' },
  /** Lines with options are short, so that phones do not break them inside an option. */
  /** `adminCommands`: with their slash. Empty for people who may not use them. */
  help: (h: { commands: readonly string[]; adminCommands: readonly string[]; models: string; ratios: string }) =>
    [
      'Write what you want to see: a cute cat 16:9',
      'Or send a picture with words: make it night',
      '',
      ...h.commands,
      '',
      `Ratios: ${h.ratios}`,
      `Models: ${h.models}`,
      'Options, anywhere in the words:',
      '--ar 16:9 --n 2 --seed 7',
      '--model <id> --no <words>',
      '--steps 20 --guidance 3.5',
      '--strength 0.8 --enhance',
      '--private --expand left:256',
      '--lora <name or address>:0.8',
      ...(h.adminCommands.length === 0
        ? []
        : ['', `Administrators: ${h.adminCommands.join(' ')}`, '/credits give @user 5, /credits code 50']),
    ].join('\n'),

  /** By command and option: a declaration whose texts are missing here does not compile. */
  commands: {
    flux: {
      description: 'Draw a picture',
      options: {
        prompt: 'What to draw; a ratio such as 16:9 at the end',
        model: 'The model that draws it',
        aspect: 'The shape of the picture',
        image1: 'A picture to start from',
        image2: 'A second picture',
        image3: 'A third picture',
        image4: 'A fourth picture',
        count: 'How many pictures',
        seed: 'The same seed and words draw the same picture',
        steps: 'More steps take longer and may add detail',
        guidance: 'How closely the picture follows the words',
        strength: 'How far the result may differ from your picture',
        expand: 'How far to extend each side, such as left:256,top:50%',
        lora: 'LoRAs: names or https addresses, with a scale if you like, such as pixel:0.8',
        negative: 'What the picture should not show',
        enhance: 'Let a language model enhance the prompt; ask shows it to you first',
        private: 'Only you see the answer',
      },
    },
    edit: {
      description: 'Change a picture',
      options: {
        prompt: 'What to change; leave it out to see a form',
        id: 'A picture of yours: the id after # below it',
        image: 'The picture to change',
        expand: 'How far to extend each side, such as left:256,top:50%',
      },
    },
    upscale: {
      description: 'Make a picture two or four times as large',
      options: {
        image: 'The picture to make larger',
        id: 'A picture of yours: the id after # below it',
        scale: 'How many times its width and height; 2 if left out',
      },
    },
    describe: {
      description: 'Get a prompt for a picture, for free',
      options: { image: 'The picture to describe', id: 'A picture of yours: the id after # below it' },
    },
    show: {
      description: 'Show a picture of yours again',
      options: { id: 'The id after # below the picture' },
    },
    models: { description: 'All models, and their prices', options: { page: 'More models: 2, 3 …' } },
    queue: { description: 'Your requests under way, and how busy the services are', options: {} },
    cancel: {
      description: 'Stop a request and get its credits back',
      options: { id: 'The id that /queue shows; leave it out for the newest request' },
    },
    credits: {
      description: 'Your balance, and the price of a picture',
      options: {
        action: 'For administrators: change or show credits, make a code, or set what a Discord SKU gives',
        user: 'For administrators: the person',
        amount: 'For administrators: how many credits',
        reason: 'For administrators: why, for the record',
        uses: 'For administrators: how many people may redeem the code; 1 if left out',
        days: 'For administrators: days until the code expires',
        sku: 'For administrators: the id of a SKU in Discord’s shop',
      },
    },
    buy: {
      description: 'Buy credits with Telegram Stars',
      options: { package: 'The package; leave it out to see all' },
    },
    terms: { description: 'The terms for bought credits', options: {} },
    paysupport: {
      description: 'Help with payments',
      options: { message: 'What is wrong; leave it out to see your payments' },
    },
    package: {
      description: 'For administrators: the credits that /buy sells',
      options: {
        id: 'The package, such as small; leave it out to list all',
        credits: 'How many credits it has; off stops selling it, on sells it again',
        stars: 'Its price in Telegram Stars',
      },
    },
    daily: { description: 'Free credits, once a day', options: {} },
    redeem: {
      description: 'Get credits for a code',
      options: { code: 'The code, or ref_… from the person who invited you' },
    },
    gift: {
      description: 'Give credits to another person',
      options: { user: 'The person', amount: 'How many credits' },
    },
    history: {
      description: 'Your last requests',
      options: {
        page: 'Older requests: 2, 3 …',
        model: 'Only requests for this model',
        state: 'Only requests in this state',
        favourites: 'Only your favourites',
      },
    },
    settings: {
      description: 'Your defaults: model, ratio, count and more',
      options: {
        model: 'The model for requests that name none',
        ratio: 'The ratio for requests without a picture',
        count: 'How many pictures a request draws',
        enhance: 'Enhance prompts: always, never, or show you first',
        private: 'Whether only you see your pictures',
        language: 'The language of all answers to you',
        original: 'Whether to send the stored files after the pictures',
        announcements: 'Whether you get announcements in your private chat',
        models: 'For managers: models that may draw in this group, separated by commas; all for every model',
        here: 'For managers: set it for this server or group',
      },
    },
    server: {
      description: 'Rules of this server',
      options: {
        action: 'What to show or change',
        channel: 'The channel; its threads follow it',
        state: 'on, off, or default to have no rule for it',
        models: 'Models that may draw here, separated by commas; all for every model',
        model: 'The model for requests that name none; default to reset it',
        ratio: 'The ratio for requests without a picture; default to reset it',
        role: 'The role',
        credits: 'How many credits; 0 for none',
        cap: 'How many credits a member may draw a day; 0 for none',
        amount: 'How many of your credits',
      },
      subcommands: {
        show: 'Show the rules of this server',
        channel: 'Where the bot works: only where it is on, or everywhere but where it is off',
        models: 'Which models may draw in this server',
        default: 'The model and the ratio that requests get if they name none',
        private: 'Whether only the person sees an answer, unless the person chooses otherwise',
        pool: 'Credits of the pool that a member may draw a day when the own ones do not suffice',
        fund: 'Move some of your credits into the pool of this server',
        role: 'Credits that members with a role get on each day on which they use the bot here',
        nsfw: 'Whether age-restricted channels show NSFW pictures, as spoilers',
      },
    },
    link: {
      description: 'Join your accounts in Discord, Telegram and on the page',
      options: { code: 'The code that /link showed in the other place; leave it out to get one' },
    },
    unlink: { description: 'Leave a joined account', options: {} },
    privacy: {
      description: 'What is kept about you; export or delete it',
      options: { action: 'export sends a link to all of it; delete removes your account' },
    },
    panel: {
      description: 'Sign a browser in to the page',
      options: { action: 'end signs all your browsers out' },
    },
    ban: {
      description: 'For administrators: keep a person from drawing',
      options: {
        user: 'The person',
        reason: 'Why; the person sees it',
        days: 'How many days; leave it out to ban for good',
      },
    },
    unban: { description: 'For administrators: end a ban', options: { user: 'The person' } },
    broadcast: {
      description: 'For administrators: announce something to people on Telegram',
      options: { text: 'What to announce; without it, you see how the announcement under way stands' },
    },
    refund: {
      description: 'For administrators: give back what a request cost, or the money of a payment',
      options: { id: 'The id of the request, or of the charge (telegram:…)' },
    },
    limits: {
      description: 'For administrators: how much people may request',
      options: {
        user: 'The person; leave it out to list or change tiers',
        in_flight: 'Requests under way at the same time, or default',
        per_minute: 'Requests in a minute, or default',
        tier: 'A tier: its limits apply to each person in it; default for none',
      },
    },
    lookup: {
      description: 'For administrators: an account or a request in detail',
      options: { user: 'The person', id: 'A request: the id after # below it' },
    },
    apikey: {
      description: 'Keys for programs that draw with your credits',
      options: {
        key: 'Create a key or revoke one; leave it out to list your keys',
        name: 'What the new key is for; to revoke one, its last four characters',
        cap: 'Credits that the new key may spend in a month',
        models: 'Models that the new key may use, separated by commas',
        user: 'For administrators: whose keys to list, or revoke',
      },
    },
    help: { description: 'What the bot can do', options: {} },
    price: {
      description: 'For administrators: show and change prices',
      options: {
        model: 'The model; * means all models',
        part: 'What the price is for; a picture of the usual size if left out',
        credits: 'The new price; default restores the built-in one',
      },
    },
    model: {
      description: 'For administrators: turn a model on or off',
      options: { model: 'The model', state: 'on offers it, off refuses it' },
    },
  },
  /** Descriptions of aliases that platforms list on their own. */
  aliases: { start: 'Say hello' } as Readonly<Record<string, string>>,

  page: {
    placeholder: 'For example: a cute cat 16:9',
    send: 'Send',
    attach: 'Attach pictures',
    drop: 'Drop the pictures to attach them',
    remove: 'Remove',
    heading: 'What do you want to see?',
    intro: 'Write it down, with the ratio at the end. Attach a picture to change it.',
    examples: ['a cute cat 16:9', 'a red house by the sea at sunset 3:2', 'a city at night 9:16'],
    help: 'All commands: /help',
    conversation: 'Conversation',
    working: 'Working on it',
    lost: 'The connection was lost. Trying again …',
    failed: 'The message could not be sent. Try again.',
    you: 'Signed in as',
    administrator: 'Signed in as administrator',
    youHint: 'The account of this browser, an administrator',
    language: '中文',
    languageHint: '切换到简体中文',
    open: 'Open the picture in full size',
    personHint: 'Your account, with the balance and history of your chats',
    key: 'API key, from /apikey in a chat, or the operator’s API_KEY',
    close: 'Close',
    next: 'Next picture',
    previous: 'Previous picture',
    download: 'Download the original',
    commands: 'Commands',
    menu: { history: 'History', credits: 'Credits', settings: 'Settings', models: 'Models', help: 'Help' },
    options: {
      title: 'Options',
      reset: 'Reset',
      model: 'Model',
      automatic: 'Automatic',
      aspect: 'Ratio',
      count: 'Pictures',
      seed: 'Seed',
      random: 'random',
      negative: 'Avoid',
      negativeHint: 'What it should not show',
      strength: 'Change',
      strengthHint: 'How far the result may differ from your picture',
      usual: 'default',
      enhance: 'Enhance the prompt',
      on: 'On',
      off: 'Off',
      ask: 'Ask me',
    },
    enter: 'Sign in',
    signInHint: 'Or send /panel to the bot in a private chat and open the link that it sends.',
    panelLink: 'The link from your chat signs this browser in to your account.',
    signOut: 'Sign out',
    starting: 'Still starting. Try again in a moment.',
    sign_in: 'Sign in first: with an API key, a link from /panel, or the link that fluxbot printed when it started.',
    foreign: 'Open this page at the address in PUBLIC_URL, or set PUBLIC_URL to the address that you use.',
    wrong_key: 'That key is wrong.',
    wrongLink: 'This link is not valid. Open the newest link that fluxbot printed.',
    limited_key: 'That key has limits of its own, and the page would lift them. Use a key without limits, or /panel.',
    link_over: 'That link has already been used, or is older than 10 minutes. Send /panel again.',
    too_many_tries: 'Too many tries. Wait a minute.',
    too_many_acts: 'Much of what you sent is still being worked on. Wait a moment, then try again.',
    too_many_pages: 'This page is open too many times. Close one of them.',
    empty_message: 'Write something first, or attach a picture.',
    message_too_long: 'That is too long.',
    too_many_files: 'At most 14 pictures in one message.',
    image_too_big: 'A picture may have 10 MB at most.',
    upload_too_big: 'All pictures of a message may have 50 MB at most.',
    image_type: 'Only PNG, JPEG and WebP pictures can be used.',
    bad_message: 'That message could not be read. Reload the page and try again.',
    press_failed: 'The button did not work. Try again.',
    busy: 'Too many uploads at once. Try again in a moment.',
  },

  keptEnd: (message: string) => `${message} For another try, send a new Idempotency-Key.`,
  errors: {
    empty_prompt: (d: Data): string =>
      amountOf(d.images) > 0
        ? 'Write what to change, for example: make it night'
        : 'Write what to draw, for example: /flux a cute cat 16:9',
    prompt_too_long: (d: Data) => `That is too long: at most ${d.limit} characters.`,
    model_off: (d: Data) => `${d.model} is turned off at the moment. Models: ${list(d.available)}.`,
    unknown_model: (d: Data) => `There is no model "${d.name}". Models: ${list(d.available)}.`,
    unknown_ratio: (d: Data) => `${d.model} does not offer the ratio ${d.ratio}. It offers: ${list(d.available)}.`,
    bad_option: (d: Data) =>
      d.command !== undefined
        ? `Write ${either(d.available)} after /${d.command}.`
        : d.value === ''
          ? `${d.name} needs a value${d.expected === undefined ? '' : `, such as ${d.expected}`}.`
          : d.limit !== undefined
            ? `${d.name} is too long: at most ${d.limit} characters.`
            : `"${d.value}" does not fit ${d.name}. Use ${d.type === 'integer' ? 'a whole number: ' : ''}${d.expected}.`,
    unknown_option: (d: Data) => `There is no option ${d.name}. Options: ${list(d.available)}.`,
    provider_flag: (d: Data) =>
      `${d.model} would read ${d.name} as a parameter of its own, which may change the price or the model. Leave it out, or write it without the dashes.`,
    not_taken: (d: Data) =>
      `${d.model} does not take ${d.name}. ${
        list(d.available) === ''
          ? 'Leave it out, or choose another model.'
          : `Leave it out, or choose a model that does: ${list(d.available)}.`
      }`,
    area_not_taken: (d: Data) =>
      `${d.model} does not take ${d.name}${d.together === undefined ? '' : ` together with a ${d.together}`}. ${
        list(d.available) === ''
          ? 'No other model here does: leave it out.'
          : `Choose a model that does: ${list(d.available)}.`
      }`,
    area_needed: (d: Data) => {
      const how = [
        ...(d.grows ? [`say how far to extend it (${d.name} left:256)`] : []),
        ...(d.masks ? ['send a mask through the API'] : []),
      ]
      return `${d.model} draws only a part of a picture: ${how.join(', or ')}, or choose another model.`
    },
    shape_kept: (d: Data) => `With a mask or an extended side, the size follows from the picture: leave ${d.name} out.`,
    mask_size: (d: Data) =>
      `The mask has ${d.size} pixels and the picture ${d.expected}: send a mask with the size of the first picture.`,
    mask_empty: () =>
      'The mask marks nothing. Make the area to redraw transparent, or white in a black picture without transparency.',
    lora_address: (d: Data) =>
      `"${d.value}" is no LoRA. Write a name that /models shows, or an https address without a password, key or port, such as ${d.expected}.`,
    unknown_lora: (d: Data) => {
      const hosts = list(d.hosts)
      const from = hosts === '*' ? 'any site' : hosts
      const cures = [
        ...(list(d.available) === '' ? [] : [`one of its own (${list(d.available)})`]),
        ...(hosts === '' ? [] : [`the address of one from ${from}`]),
      ]
      return `${d.model} cannot use the LoRA ${d.lora}. ${cures.length === 0 ? 'Leave it out' : `Name ${cures.join(', or ')}`}.`
    },
    too_many_loras: (d: Data) =>
      `${d.model ?? 'A request'} takes at most ${d.limit === 1 ? 'one LoRA' : `${d.limit} LoRAs`}.`,
    words_not_taken: (d: Data) => `${d.model} works from the picture alone: leave the words out.`,
    image_needed: (d: Data) => `${d.model} needs a picture to start from: attach one.`,
    too_many_images: (d: Data) =>
      d.limit === 0
        ? `${d.model} draws from words only: leave the picture out.`
        : `${d.model} takes at most ${d.limit} pictures.`,
    image_too_big: (d: Data) => `That picture is too big: ${pictureLimit(d)}.`,
    image_type: () => 'Only PNG, JPEG and WebP pictures can be used. Please convert it and send it again.',
    image_unreadable: () => 'That picture is damaged. Please save it again as PNG or JPEG.',
    image_unreachable: () => 'That picture could not be downloaded. Please send it again.',
    result_too_big: (d: Data) =>
      `Enlarged ${d.scale} times, the picture would have ${number(amountOf(d.width))} × ${number(amountOf(d.height))} pixels. ${
        d.limitSide === undefined
          ? `At most ${d.limitMegapixels} megapixels are possible`
          : `A side may have at most ${number(amountOf(d.limitSide))} pixels`
      }: choose a smaller scale, or a smaller picture.`,
    result_too_small: (d: Data) =>
      `The result would have ${number(amountOf(d.width))} × ${number(amountOf(d.height))} pixels, and each side needs at least ${d.limitSide}: use a larger picture.`,
    unknown_command: (d: Data) => `There is no command /${d.name}. /help lists the commands.`,
    no_credits: (d: Data) =>
      d.balance === undefined
        ? `That account has fewer than ${credits(d.price)}.`
        : `That costs ${credits(d.price)} and you have ${d.balance}. ${d.pool === undefined ? 'An administrator can give you more; on Telegram, /buy sells some.' : `The pool of this server has ${d.pool} left for you today.`}`,
    too_many_in_flight: (d: Data) =>
      `You have ${d.limit} requests under way, which is the limit. Wait until one has ended, then try again.`,
    too_fast: (d: Data) => `At most ${d.limit} requests a minute. Try again in ${d.seconds} s.`,
    busy: (d: Data) =>
      `Many requests are waiting: the queue is busy for about ${number(amountOf(d.minutes))} min. Try again later.`,
    banned: (d: Data) =>
      `You are banned ${d.until === undefined ? 'for good' : `until ${d.until}`}${d.reason === undefined ? '.' : `: ${d.reason}`}`,
    admin_not_banned: () => 'Administrators, and the accounts of the operator’s programs, cannot be banned.',
    admins_only: (d: Data) =>
      d.identity === undefined
        ? 'Only an administrator’s key can do that.'
        : `Only administrators can do that. (You are ${d.identity}; ADMIN_IDS lists the administrators.)`,
    unknown_user: (d: Data) => `${d.user} is not known here. They have to use the bot once first.`,
    ambiguous: (d: Data) => `${d.name} stands for more than one. Write the whole id, such as telegram:123.`,
    bad_amount: (d: Data) =>
      `Write a whole number of credits between 1 and ${d.limit}, for example: /credits give @user 5`,
    link_code_wrong: () => 'There is no such code. /link in the other place shows one.',
    link_code_over: (d: Data) =>
      `That code ${d.used === true ? 'was used already' : 'has expired'}. /link in the other place makes a new one.`,
    link_own_code: () => 'That code is from this account. Enter it where your other account is.',
    link_admin: () =>
      'This is the account of an administrator: joining gives its rights to the other one. Send /link here, and enter the code there.',
    too_many_link_codes: (d: Data) =>
      `You have entered ${d.limit} wrong codes within an hour. Try again in ${plural(amountOf(d.minutes), { one: '1 minute', other: `${d.minutes} minutes` })}.`,
    only_identity: () => 'This account is not joined with another one, so there is nothing to leave.',
    link_operator: () =>
      'This browser acts as the administrator of the service, and its account cannot be joined. Send /link in a chat.',
    debt_first: (d: Data) =>
      `This account owes ${credits(d.debt)} for a payment that was refunded. You can leave it once that is paid off.`,
    daily_off: () => 'There are no daily credits here.',
    unknown_code: () => 'There is no such code. Check it, and write it exactly as you got it.',
    code_expired: () => 'This code has expired.',
    code_used_up: () => 'This code is used up.',
    too_many_codes: (d: Data) =>
      `You have entered ${d.limit} wrong codes within an hour. Try again in ${plural(amountOf(d.minutes), { one: '1 minute', other: `${d.minutes} minutes` })}.`,
    not_invitable: (d: Data) => notInvitable.get(String(d.reason)) ?? 'You cannot use this invitation.',
    gift_to_self: () => 'You cannot give credits to yourself.',
    gift_limit: (d: Data) =>
      `At most ${credits(d.limit)} can be given away in a day (UTC). Today you can give ${number(amountOf(d.left))} more.`,
    not_giftable: (d: Data) =>
      `You can give away ${credits(d.giftable)} of your ${number(amountOf(d.balance))}. Welcome, daily and invitation credits are for your own pictures, which use them first.`,
    unknown_order: () => 'There is no such order. Send /buy for a new invoice.',
    unknown_payment: (d: Data) => `There is no payment ${d.charge}.`,
    package_over: () => 'These credits are no longer sold at this price. Send /buy to see what is for sale.',
    invoice_of_other: () => 'This invoice is for another account. Send /buy for one of your own.',
    not_charged: () => 'This request cost nothing, so there is nothing to give back.',
    key_missing: () =>
      'An API key is needed: Authorization: Bearer <key>. /apikey create makes one in a chat, API_KEY is the operator’s.',
    key_wrong: () => 'This API key is not valid, or was revoked.',
    too_many_wrong_keys: (d: Data) => `Too many wrong API keys came from your address. Try again in ${d.seconds} s.`,
    model_not_allowed: (d: Data) => `This API key may not use ${d.model}. It may use: ${list(d.available)}.`,
    cap_reached: (d: Data) => `This API key may spend ${credits(d.limit)} a month, and has spent ${d.spent}.`,
    too_many_keys: (d: Data) => `You have ${d.limit} keys, and more are not possible. Revoke one first.`,
    unknown_key: (d: Data) =>
      `You have no key "${d.name}", or several that end like that: /apikey lists them with their ids.`,
    unknown_request: () => 'There is no such request.',
    privately_only: () =>
      'API keys, sign-in links and codes are shown in private chats only, on Discord or Telegram: here they would be stored or seen by others. ' +
      'The operator can set API_KEY instead.',
    unknown_path: (d: Data) => `There is nothing at ${d.name}.`,
    wrong_method: (d: Data) => `This path does not take ${d.method}: use ${list(d.allowed)}.`,
    overloaded: () => 'The service is busy with many large requests. Try again in a moment.',
    bad_idempotency_key: () => 'Invalid Idempotency-Key: 1 to 255 printable characters.',
    idempotency_erased: () => 'The request with this Idempotency-Key was erased: use another key for a new one.',
    idempotency_reused: () => 'This Idempotency-Key was used with another request.',
    idempotency_in_flight: () => 'A request with this Idempotency-Key is being answered.',
    still_running: () => 'This request has not ended. Cancel it first, or wait until it ends.',
    too_many_uploads: (d: Data) => `At most ${d.limit} pictures can be uploaded in a day.`,
    unknown_upload: () => 'You have no picture under that key. Uploads are kept for a day: upload it again.',
    request_too_big: (d: Data) => `All pictures of one request together may have at most ${d.limitMb} MB.`,
    provider_missing: (d: Data) => `${d.model} is not available: no image service that offers it is set up.`,
    provider_busy: () => 'The image service is overloaded. Try again in a few minutes.',
    provider_failed: (d: Data) => {
      if (d.unknownHost !== undefined) return `${d.unknownHost} was not found. Check the network and the address.`
      if (d.title !== undefined) return `${d.title} could not be reached. Try again in a few minutes.`
      return `The image service failed${d.reason ? `: ${d.reason}` : ''}.${d.lasting ? '' : ' Try again.'}`
    },
    provider_timeout: () => 'The image service took too long.',
    provider_refused: (d: Data) => `The image service did not accept the request${d.reason ? `: ${d.reason}` : '.'}`,
    provider_account: (d: Data) =>
      d.title === undefined
        ? 'The image service refuses our account at the moment. The operator has to fix this.'
        : `${d.title} does not accept this key, or its account cannot draw at the moment.`,
    provider_quota: () => 'The image service has reached its limit for today. Try another model.',
    work_gone: () =>
      'The image service no longer has its work on this picture, so it cannot continue it. Use “Edit” or “Other model”, or draw it anew.',
    enhancer_missing: (d: Data) => `Prompt enhancement is not set up here: leave ${d.name} out.`,
    describer_missing: () =>
      'Pictures cannot be described here: no language model is set up. (Operators: EXTERNAL_API_BASE and EXTERNAL_MODEL, or MIDJOURNEY_URL.)',
    images_not_read: (d: Data) =>
      `Pictures cannot be described here: the language model ${d.model} reads no pictures. The operator has to choose another.`,
    not_described: (d: Data): string =>
      d.refused
        ? 'The language model refused to describe this picture.'
        : 'The language model did not answer with a description of this picture.',
    forged: () => 'The sender could not be verified.',
    unknown_config: (d: Data) => `There is no configuration "${d.id}".`,
    unknown_provider: (d: Data) => `There is no provider "${d.name}". Providers: ${list(d.available)}.`,
    moderated: () => 'The image service refused this for its content. Try other words.',
    bad_result: (d: Data) => {
      if (hasLimit(d)) return `The image service sent a picture that is too big to be stored: ${pictureLimit(d)}.`
      if (d.lasting) return `The image service sent no usable picture: ${d.reason}. Another model may work.`
      return 'The image service sent no usable picture. Another model may work.'
    },
    not_stored: () => 'The picture was drawn but could not be stored. The operator has to fix this.',
    unresolved: () => 'The image service did not confirm that it received this request, so it was given up. Try again.',
    deadline: () => 'This took too long, so it was given up.',
    input_lost: () => 'The picture that you sent could not be stored. Please send it again.',
    interrupted: () => 'This was interrupted too often, so it was given up.',
    cancelled: () => 'Cancelled.',
    anonymous: () =>
      'Accounts belong to people, and this message does not say who sent it. Send it as yourself, not as a group or channel.',
    unknown_button: () => 'This button no longer works. Ask for the picture again.',
    not_yours: () => 'Only the person who made this request can do that.',
    not_your_question: () =>
      'Only the person who pressed the button can answer this. Press it yourself to change the picture.',
    words_only: () => 'This question takes words only: answer it without a picture.',
    form_late: () => 'That took too long. Press the button again.',
    edited_late: () =>
      'The request has already started, so your edit does not change it. Send the new words as a new message.',
    edited_part: () =>
      'An edit changes a request only if the request is a single message. Cancel it, and send all of it again.',
    late_part: () =>
      'This part arrived after the rest of your message had been taken, so it was not used. Send all of it again.',
    question_over: () => 'This question has been answered already, or is too old. Press the button again.',
    offer_over: () => 'This picture is no longer kept. Send it again.',
    draft_over: () => 'This choice has already been made, or is too old. Send the request again.',
    cannot_write_privately: () =>
      'The bot may not write to you yet. Start a private chat with it first, then send the request again.',
    groups_only: () => 'This sets the defaults of a group. Use it in that group.',
    already_ended: () => 'This request has ended already.',
    pictures_expired: (d: Data) =>
      `These pictures were deleted${d.days === undefined ? ' because of their age' : `: pictures are kept for ${plural(amountOf(d.days), { one: '1 day', other: `${number(amountOf(d.days))} days` })}`}. Favourites are kept.`,
    confirmation_over: () => 'This button is no longer valid. Send /privacy delete again.',
    account_closed: () => 'This account was deleted. Send your message again to start with a new account.',
    price_rose: (d: Data) =>
      `The price has changed from ${credits(d.shown)} to ${credits(d.price)}. Repeat it if you agree.`,
    nothing_to_edit: () =>
      'Which picture? Attach it, reply to it, or write the id below one of yours: /edit 1a2b3c4d make it night',
    no_picture: () => 'This message has no picture that can be used.',
    no_recipe: () => 'This message shows no picture of mine that you may see.',
    no_broadcasts: () => 'Announcements go out on Telegram only: send /broadcast to the bot there.',
    own_only: (d: Data) => `${d.name} is a setting of people, not of groups: leave "here" out.`,
    flagged: () =>
      'The image service marked this picture as NSFW. It is shown only in age-restricted channels of servers that allow it.',
    not_here: (d: Data) =>
      list(d.available) === ''
        ? 'The people who manage this server have turned the bot off in this channel.'
        : `The bot does not work in this channel. It works in: ${spaced(d.available)}`,
    model_not_here: (d: Data) => `${d.model} may not draw here. Models here: ${list(d.available)}.`,
    last_model: (d: Data) => `${d.model} is the only model that may draw here. Allow another one first.`,
    managers_only: () => 'Only people who may manage this server or group can do that.',
    chat_refused: () => 'The chat does not allow the bot to answer.',
    chat_unavailable: () => 'The chat could not be reached.',
    internal: () => 'Something went wrong on our side. Try again in a moment.',
  },
}

type Commands = (typeof en)['commands']
type KeysOfAll<T> = T extends T ? keyof T & string : never

/** A name of an option is translated once for all commands. */
export type OptionName = KeysOfAll<Commands[keyof Commands]['options']>
export type SubcommandName = keyof Commands['server']['subcommands']
/** What commands offer as fixed choices. */
export type ChoiceName =
  | ('on' | 'off' | 'default' | 'ask')
  | ('give' | 'take' | 'set' | 'show' | 'code' | 'sku')
  | ('done' | 'failed' | 'waiting' | 'cancelled')
  | ('list' | 'create' | 'revoke')
  | ('export' | 'delete' | 'end')

/**
 * What a platform shows in place of the names that people type. Discord: 1–32 lower-case letters, digits, '-' and '_', different ones
 * in each list that a person sees; choices are free text.
 */
export interface CommandNames {
  commands: Readonly<Record<keyof Commands, string>>
  aliases: Readonly<Record<AliasName, string>>
  subcommands: Readonly<Record<SubcommandName, string>>
  options: Readonly<Record<OptionName, string>>
  choices: Readonly<Record<ChoiceName | PricedPart, string>>
}

/** Other names of commands. */
export type AliasName = 'imagine' | 'start'

/** `names` undefined: those that people type. */
export type Words = typeof en & { names: CommandNames | undefined }
export type PageWords = Words['page']
