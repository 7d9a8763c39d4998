type Data = Readonly<Record<string, string | number | readonly string[] | undefined>>

const list = (values: Data[string]) => (Array.isArray(values) ? values.join(', ') : String(values ?? ''))
const credits = (n: Data[string]) => (n === 1 ? '1 credit' : `${n} credits`)

export const en = {
  waiting: ({ prompt, place }: { prompt: string; place?: number }) =>
    place === undefined ? `⏳ In the queue: ${prompt}` : `⏳ Number ${place} in the queue: ${prompt}`,
  drawing: ({ prompt, percent }: { prompt: string; percent?: number }) =>
    percent === undefined ? `🎨 Drawing: ${prompt}` : `🎨 Drawing, ${percent} %: ${prompt}`,
  waitingAt: ({ prompt, position, at }: { prompt: string; position: number; at: string }) =>
    `⏳ Number ${position} in the queue at ${at}: ${prompt}`,
  finishing: '🎨 Almost there …',
  caption: (c: {
    prompt: string
    enhanced?: string
    enhancedBy?: string
    model: string
    servedBy: string
    width: number
    height: number
    seed?: string
    seconds: number
    credits: number
    notes: readonly string[]
  }) =>
    [
      ...(c.prompt ? [c.prompt] : []),
      ...(c.enhanced ? [`✨ ${c.enhanced}${c.enhancedBy ? ` (${c.enhancedBy})` : ''}`] : []),
      [
        c.model,
        ...(c.model.includes(c.servedBy) ? [] : [c.servedBy]),
        `${c.width}×${c.height}`,
        ...(c.seed ? [`seed ${c.seed}`] : []),
        `${c.seconds.toFixed(1)} s`,
        credits(c.credits),
      ].join(' · '),
      ...c.notes.map((note) => `ℹ️ ${note}`),
    ].join('\n'),
  notes: {
    prompt_cut: (d: Data) =>
      `The prompt was too long for this model: only its first ${d.limit ?? ''} ${d.of ?? 'tokens'} count.`,
    not_enhanced: () => 'The prompt could not be enhanced; it was used as you wrote it.',
    some_missing: () => 'Not all pictures came; you paid only for those that did.',
  },
  failed: ({ prompt, reason, credits: price }: { prompt: string; reason: string; credits: number }) =>
    `⚠️ ${prompt}\n${reason}${price > 0 ? ` Nothing was charged: ${credits(price)} given back.` : ''}`,
  errorReply: (reason: string) => `⚠️ ${reason}`,

  balance: (b: { balance: number; held: number; price: number; model: string }) =>
    `💳 ${credits(b.balance)}${b.held > 0 ? `, and ${b.held} put aside for pictures under way` : ''}. A picture with ${b.model} costs ${credits(b.price)}.`,
  entry: (e: { amount: number; kind: string; reason: string; when: string }) =>
    `${e.when}  ${e.amount > 0 ? '+' : ''}${e.amount}  ${e.reason}`,
  entryKinds: {
    grant: 'given',
    take: 'taken back',
    hold: 'picture asked for',
    capture: 'not all pictures came',
    release: 'given back',
    welcome: 'welcome',
  },
  gave: (g: { user: string; amount: number; balance: number }) =>
    `✅ ${g.user}: ${g.amount > 0 ? '+' : ''}${g.amount}, the balance is now ${credits(g.balance)}.`,
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
        `${k.spent}${k.cap === undefined ? '' : ` of ${k.cap}`} credits this month`,
        ...(k.models ? [`only ${k.models.join(', ')}`] : []),
        k.used === undefined ? 'never used' : `last used ${k.used}`,
        k.id,
      ].join(' · '),
    created: (k: { name: string; key: string; cap?: number; models?: readonly string[] }) =>
      [
        `🔑 ${k.name}`,
        k.key,
        '',
        'Keep it now: it is shown only this once. Whoever has it spends your credits.',
        ...(k.cap === undefined ? [] : [`At most ${credits(k.cap)} a month.`]),
        ...(k.models ? [`Only with ${k.models.join(', ')}.`] : []),
      ].join('\n'),
    revoked: (k: { name: string; tail: string }) => `✅ …${k.tail} (${k.name}) does not work any more.`,
    usage:
      '/apikey lists your keys, /apikey create [name] [--cap credits a month] [--models a,b] makes one, /apikey revoke <id or last four> ends one.',
    unnamed: 'key',
  },
  historyTitle: (page: number) => (page === 1 ? '🖼 Your last requests' : `🖼 Your requests, page ${page}`),
  historyEmpty: 'Nothing here yet. Try: a cute cat 16:9',
  historyLine: (h: { when: string; state: string; prompt: string; model: string; size: string }) =>
    `${h.when}  ${h.state}  ${h.prompt} (${h.model}, ${h.size})`,
  historyMore: (page: number) => `More: /history ${page}`,
  states: { queued: '⏳', running: '🎨', stored: '🎨', delivered: '✅', failed: '⚠️', cancelled: '✖️' },
  help: (h: { models: string; ratios: string }) =>
    [
      'Write what you want to see: a cute cat 16:9',
      'Or send a picture with words: make it night',
      '',
      '/flux <words> draws a picture; the ratio comes last',
      '/credits shows your balance, /history your last requests',
      '',
      `Ratios: ${h.ratios}`,
      `Models: ${h.models}`,
      'Flags: --ar 16:9 --n 2 --seed 7 --model <id> --steps 20 --guidance 3.5 --strength 0.8 --no <words>',
      '',
      'Admins: /credits give @user 5',
    ].join('\n'),

  commands: {
    flux: 'Draw a picture',
    credits: 'Your balance, and what a picture costs',
    history: 'Your last requests',
    apikey: 'Keys for programs that draw with your credits',
    help: 'What I can do',
    start: 'Say hello',
  } as Readonly<Record<string, string>>,
  options: {
    prompt: 'What to draw; a ratio such as 16:9 at the end',
    model: 'Which model draws it',
    aspect: 'The shape of the picture',
    image1: 'A picture to start from',
    image2: 'A second picture',
    image3: 'A third picture',
    image4: 'A fourth picture',
    action: 'For admins: give or take',
    user: 'For admins: whose credits',
    amount: 'For admins: how many credits',
    page: 'Older requests: 2, 3 …',
    key: 'Make a key, or end one; your keys if you leave it out',
    name: 'What the new key is for; or its last four characters, to end it',
    cap: 'Most credits that the new key may spend in a month',
    models: 'The models that the new key may use, with commas between them',
  } as Readonly<Record<string, string>>,

  keptEnd: (said: string) => `${said} For a new try, send a new Idempotency-Key.`,
  errors: {
    empty_prompt: () => 'Tell me what to draw, for example: /flux a cute cat 16:9',
    prompt_too_long: (d: Data) => `That is too long: at most ${d.limit} characters.`,
    unknown_model: (d: Data) => `There is no model "${d.name}". Models: ${list(d.available)}.`,
    unknown_ratio: (d: Data) => `${d.model} does not know the ratio ${d.ratio}. It knows: ${list(d.available)}.`,
    bad_option: (d: Data) =>
      d.value === ''
        ? `${d.name} needs a value, such as ${d.expected}.`
        : d.limit !== undefined
          ? `${d.name} is too long: at most ${d.limit} characters.`
          : `"${d.value}" does not fit ${d.name}. Use ${d.expected}.`,
    unknown_option: (d: Data) => `I do not know ${d.name}. I know: ${list(d.available)}.`,
    not_taken: (d: Data) => `${d.model} does not take ${d.name}. Leave it out, or choose another model.`,
    words_not_taken: (d: Data) => `${d.model} works from the picture alone: leave the words out.`,
    image_needed: (d: Data) => `${d.model} needs a picture to start from: attach one.`,
    too_many_images: (d: Data) =>
      d.limit === 0
        ? `${d.model} draws from words only: leave the picture out.`
        : `${d.model} takes at most ${d.limit} pictures.`,
    image_too_big: (d: Data) => `That picture is too big: at most ${d.limitMb} MB each.`,
    image_type: () => 'I can read PNG, JPEG and WebP pictures only. Please convert it and send it again.',
    image_unreadable: () => 'That picture is damaged or too large to read. Please save it again as PNG or JPEG.',
    image_unreachable: () => 'I could not fetch that picture. Please send it again.',
    unknown_command: (d: Data) => `I do not know /${d.name}. /help lists what I know.`,
    no_credits: (d: Data) =>
      d.balance === undefined
        ? `That is more than there is: ${d.price} credits.`
        : `That costs ${credits(d.price)} and you have ${d.balance}. An admin can give you more.`,
    too_many_in_flight: (d: Data) => `You have ${d.limit} pictures under way. Wait for one of them, then ask again.`,
    too_fast: (d: Data) => `At most ${d.limit} requests a minute. Try again in ${d.seconds} s.`,
    banned: () => 'You cannot use this bot.',
    admins_only: (d: Data) =>
      d.identity === undefined
        ? 'Only an admin’s key can do that.'
        : `Only admins can do that. (You are ${d.identity}; ADMIN_IDS lists the admins.)`,
    unknown_user: (d: Data) => `I do not know ${d.user}. They must have written to me first.`,
    bad_amount: (d: Data) =>
      `Write a whole number of credits between 1 and ${d.limit}, for example: /credits give @user 5`,
    key_missing: () =>
      'An API key is needed: Authorization: Bearer <key>. /apikey create makes one in a chat, API_KEY is the operator’s.',
    key_wrong: () => 'This API key is not known, or was revoked.',
    too_many_wrong_keys: (d: Data) => `Too many wrong API keys came from your address. Try again in ${d.seconds} s.`,
    model_not_allowed: (d: Data) => `This API key may not use ${d.model}. It may use: ${list(d.available)}.`,
    cap_reached: (d: Data) => `This API key may spend ${credits(d.limit)} a month, and has spent ${d.spent}.`,
    too_many_keys: (d: Data) => `You have ${d.limit} keys, and more are not possible. Revoke one first.`,
    unknown_key: (d: Data) =>
      `You have no key "${d.name}", or several that end like that: /apikey lists them with their ids.`,
    unknown_request: () => 'There is no such request.',
    privately_only: () =>
      'Not here, where it would be kept or read by others: write to me in private, on Discord or Telegram. ' +
      'Operators can set API_KEY, which needs no chat.',
    unknown_path: (d: Data) => `There is nothing at ${d.name}.`,
    wrong_method: (d: Data) => `This path does not take ${d.method}: use ${list(d.allowed)}.`,
    overloaded: () => 'Too many large requests and answers are under way. Try again in a moment.',
    bad_idempotency_key: () => 'Invalid Idempotency-Key: 1 to 255 printable characters.',
    idempotency_erased: () => 'The request with this Idempotency-Key was erased: use another key for a new one.',
    idempotency_reused: () => 'This Idempotency-Key was used with another request.',
    idempotency_in_flight: () => 'A request with this Idempotency-Key is being answered.',
    still_running: () =>
      'That request has not ended: cancel it first (DELETE /v1/images/jobs/{id}), or wait for its end.',
    too_many_uploads: (d: Data) => `Only ${d.limit} pictures can be sent ahead in a day.`,
    unknown_upload: () => 'You have no picture under that key: those sent ahead are kept for a day. Send it again.',
    request_too_big: (d: Data) => `All pictures of one request together may have ${d.limitMb} MB.`,
    provider_missing: (d: Data) => `Nobody is set up to draw with ${d.model} now.`,
    provider_busy: () => 'The image service is overloaded. Try again in a few minutes.',
    provider_failed: (d: Data) => `The image service failed${d.reason ? `: ${d.reason}` : ''}. Try again.`,
    provider_timeout: () => 'The image service took too long.',
    provider_refused: (d: Data) => `The image service did not accept the request${d.reason ? `: ${d.reason}` : '.'}`,
    provider_account: (d: Data) =>
      d.title === undefined
        ? 'The image service does not let us in at the moment: its operator has to look at it.'
        : `${d.title} does not accept this key, or its account cannot draw at the moment.`,
    provider_quota: () => 'The image service has reached its limit for today. Try another model.',
    enhancer_missing: (d: Data) => `Nobody is set up to enhance prompts here: leave ${d.name} out.`,
    forged: () => 'This message is not from who it says.',
    unknown_config: (d: Data) => `There is no configuration "${d.id}".`,
    unknown_provider: (d: Data) => `There is no provider "${d.name}". Providers: ${list(d.available)}.`,
    moderated: () => 'The image service refused this for its content. Try other words.',
    bad_result: () => 'The image service sent no usable picture. Try again.',
    unresolved: () => 'We lost sight of this request while it was being drawn. Try again.',
    deadline: () => 'This took too long and was given up.',
    input_lost: () => 'The picture you sent was lost on our side. Please send it again.',
    interrupted: () => 'This was interrupted too often and was given up. Try again.',
    cancelled: () => 'Cancelled.',
    chat_refused: () => 'This chat does not let me answer.',
    chat_unavailable: () => 'The chat could not be reached.',
    internal: () => 'Something went wrong on our side. Try again in a moment.',
  },
}

export type Words = typeof en
