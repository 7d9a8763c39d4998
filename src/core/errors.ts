/**
 * Everything that can go wrong, as one closed table. The words for people are in `locales`, one entry for each kind;
 * nothing secret may be put in `data`, because the words show it.
 */

interface ErrorRule {
  /** Whether `perform` may try again by itself. */
  retry: boolean
  /** HTTP status for API families and the page. */
  status: number
}

const no = (status: number): ErrorRule => ({ retry: false, status })
const again = (status: number): ErrorRule => ({ retry: true, status })

export const errorRules = {
  // the request
  empty_prompt: no(400),
  prompt_too_long: no(400),
  unknown_model: no(400),
  unknown_ratio: no(400),
  bad_option: no(400),
  unknown_option: no(400),
  not_taken: no(400),
  words_not_taken: no(400),
  image_needed: no(400),
  too_many_images: no(400),
  image_too_big: no(413),
  image_type: no(415),
  image_unreadable: no(400),
  image_unreachable: no(400),
  unknown_command: no(404),
  // the person
  no_credits: no(402),
  too_many_in_flight: no(429),
  too_fast: no(429),
  banned: no(403),
  admins_only: no(403),
  unknown_user: no(404),
  bad_amount: no(400),
  // programs
  key_missing: no(401),
  key_wrong: no(401),
  too_many_wrong_keys: no(429),
  model_not_allowed: no(403),
  cap_reached: no(402),
  too_many_keys: no(409),
  unknown_key: no(404),
  unknown_request: no(404),
  privately_only: no(403),
  unknown_path: no(404),
  wrong_method: no(405),
  overloaded: no(503),
  bad_idempotency_key: no(400),
  idempotency_erased: no(410),
  idempotency_reused: no(422),
  idempotency_in_flight: no(409),
  still_running: no(409),
  too_many_uploads: no(429),
  unknown_upload: no(404),
  request_too_big: no(413),
  // the provider
  provider_missing: no(503),
  provider_busy: again(503),
  provider_failed: again(502),
  provider_timeout: again(504),
  provider_refused: no(502),
  provider_account: no(503),
  provider_quota: no(503),
  enhancer_missing: no(400),
  forged: no(401),
  unknown_config: no(404),
  unknown_provider: no(400),
  moderated: no(400),
  bad_result: no(502),
  // the way there
  unresolved: no(502),
  deadline: no(504),
  input_lost: no(500),
  interrupted: no(500),
  cancelled: no(409),
  chat_refused: no(502),
  chat_unavailable: again(503),
  internal: again(500),
} as const satisfies Record<string, ErrorRule>

export type ErrorKind = keyof typeof errorRules

export type ErrorData = Readonly<Record<string, string | number | readonly string[] | undefined>>

/** `retryAfterMs`: the other side asked for this pause. `neverRan`: nothing was started that could be paid for.
 * `over`: what was started has ended for good, and asking again would say the same. */
export interface ErrorExtra {
  cause?: unknown
  retryAfterMs?: number
  neverRan?: boolean
  final?: boolean
}

export class AppError extends Error {
  readonly kind: ErrorKind
  readonly data: ErrorData
  readonly retryAfterMs: number | undefined
  readonly neverRan: boolean
  readonly final: boolean

  constructor(kind: ErrorKind, data: ErrorData = {}, extra: ErrorExtra = {}) {
    super(`${kind} ${JSON.stringify(data)}`, { cause: extra.cause })
    this.name = 'AppError'
    this.kind = kind
    this.data = data
    this.retryAfterMs = extra.retryAfterMs
    this.neverRan = extra.neverRan ?? false
    this.final = extra.final ?? false
  }

  get retry(): boolean {
    return errorRules[this.kind].retry && !this.final
  }
}

/** Option of the core (`aspect`, `count`) → how a surface spells it (`--ar`, `num_images`). An option without an entry keeps its name. */
export type OptionNames = Readonly<Record<string, string>>

/** Kinds whose `data.name` is an option of the core. In other kinds `name` is what the person typed. */
const aboutOptions: ReadonlySet<ErrorKind> = new Set(['bad_option', 'not_taken', 'enhancer_missing'])

/** The error's data with the surface's spelling in place of the option's name: call it before making words of an error. */
export function spelled({ kind, data }: AppError, names: OptionNames): ErrorData {
  if (typeof data.name !== 'string' || !aboutOptions.has(kind)) return data
  return { ...data, name: spelledName(data.name, names) }
}

export function spelledName(option: string, names: OptionNames): string {
  return Object.hasOwn(names, option) ? (names[option] ?? option) : option
}

/** The same, of something that has ended with it: asking again would say nothing else. */
export function asFinal(error: AppError): AppError {
  const { kind, data, cause, neverRan } = error
  return new AppError(kind, data, { cause, neverRan, final: true })
}

/** What is not an AppError is a defect of ours or of the network: 'internal', with the original as its cause. */
export function asAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('internal', {}, { cause: error })
}
