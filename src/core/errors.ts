/**
 * Every error that a person or program may see, as a closed list of kinds. `locales` holds the words, one entry for each
 * kind. Words show `data`, so put nothing secret into it.
 */

export const errorKinds = [
  // the request
  'empty_prompt',
  'prompt_too_long',
  'unknown_model',
  'model_off',
  'unknown_ratio',
  'bad_option',
  'unknown_option',
  'provider_flag',
  'not_taken',
  'words_not_taken',
  'area_not_taken',
  'area_needed',
  'shape_kept',
  'mask_size',
  'mask_empty',
  'lora_address',
  'unknown_lora',
  'too_many_loras',
  'image_needed',
  'too_many_images',
  'image_too_big',
  'image_type',
  'image_unreadable',
  'image_unreachable',
  'result_too_big',
  'result_too_small',
  'unknown_command',
  'unknown_button',
  'not_yours',
  'not_your_question',
  'words_only',
  'question_over',
  'late_part',
  'edited_late',
  'edited_part',
  'draft_over',
  'offer_over',
  'cannot_write_privately',
  'groups_only',
  'form_late',
  'already_ended',
  'pictures_expired',
  'confirmation_over',
  'price_rose',
  'nothing_to_edit',
  'no_picture',
  'no_recipe',
  'managers_only',
  'no_broadcasts',
  'own_only',
  'not_here',
  'model_not_here',
  'last_model',
  // the person
  'no_credits',
  'too_many_in_flight',
  'too_fast',
  'busy',
  'banned',
  'admin_not_banned',
  'account_closed',
  'admins_only',
  'unknown_user',
  'ambiguous',
  'anonymous',
  'bad_amount',
  'link_code_wrong',
  'link_code_over',
  'link_own_code',
  'link_admin',
  'too_many_link_codes',
  'link_operator',
  'only_identity',
  'debt_first',
  'daily_off',
  'unknown_code',
  'code_expired',
  'code_used_up',
  'too_many_codes',
  'not_invitable',
  'gift_to_self',
  'gift_limit',
  'not_giftable',
  'unknown_order',
  'unknown_payment',
  'package_over',
  'invoice_of_other',
  'not_charged',
  // programs
  'key_missing',
  'key_wrong',
  'too_many_wrong_keys',
  'model_not_allowed',
  'cap_reached',
  'too_many_keys',
  'unknown_key',
  'unknown_request',
  'privately_only',
  'unknown_path',
  'wrong_method',
  'overloaded',
  'bad_idempotency_key',
  'idempotency_erased',
  'idempotency_reused',
  'idempotency_in_flight',
  'still_running',
  'too_many_uploads',
  'unknown_upload',
  'request_too_big',
  // the provider
  'provider_missing',
  'provider_busy',
  'provider_failed',
  'provider_timeout',
  'provider_refused',
  'provider_account',
  'provider_quota',
  'work_gone',
  'enhancer_missing',
  'describer_missing',
  'images_not_read',
  'not_described',
  'forged',
  'unknown_config',
  'unknown_provider',
  'moderated',
  'flagged',
  'bad_result',
  // after acceptance
  'not_stored',
  'unresolved',
  'deadline',
  'input_lost',
  'interrupted',
  'cancelled',
  'chat_refused',
  'chat_unavailable',
  'internal',
] as const

export type ErrorKind = (typeof errorKinds)[number]

/** Kinds after which `perform` tries again by itself. */
const retryable: ReadonlySet<ErrorKind> = new Set([
  'provider_busy',
  'provider_failed',
  'provider_timeout',
  'chat_unavailable',
  'not_stored',
  'internal',
] satisfies ErrorKind[])

/** `lasting`: the same request would fail again, so the text must not say 'Try again'. */
export type ErrorData = Readonly<Record<string, string | number | boolean | readonly string[] | undefined>>

export interface ErrorExtra {
  cause?: unknown
  /** Pause that the other side asked for. */
  retryAfterMs?: number
  /** True: nothing was started that could cost something. */
  neverRan?: boolean
  /** True: what was started has ended for good, so another try would get the same answer. */
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
    return retryable.has(this.kind) && !this.final
  }
}

export type PutOff = AppError & { readonly retryAfterMs: number }

/** A platform may ask for a pause of 0: then it is asked again after so many milliseconds. */
export const shortestPauseMs = 100

/** The chat has no room now, so nothing was sent by this call: the same call is made again after `retryAfterMs`. */
export const isPutOff = (error: unknown): error is PutOff =>
  error instanceof AppError && error.kind === 'chat_unavailable' && error.retryAfterMs !== undefined

/** Option of the core (`aspect`, `count`) → how a surface spells it (`--ar`, `num_images`). An option without an entry keeps its name. */
export type OptionNames = Readonly<Record<string, string>>

/** Kinds whose `data.name` is an option of the core. In other kinds `name` is what the person typed. */
const aboutOptions: ReadonlySet<ErrorKind> = new Set([
  'bad_option',
  'not_taken',
  'area_not_taken',
  'area_needed',
  'shape_kept',
  'enhancer_missing',
])

/** The error's data with the surface's spelling in place of the option's name: call it before making words of an error. */
export function spelled({ kind, data }: Pick<AppError, 'kind' | 'data'>, names: OptionNames): ErrorData {
  if (typeof data.name !== 'string' || !aboutOptions.has(kind)) return data
  return { ...data, name: spelledName(data.name, names) }
}

export function spelledName(option: string, names: OptionNames): string {
  return Object.hasOwn(names, option) ? (names[option] ?? option) : option
}

/** The same error as the end of a request: another try would get the same answer. */
export function asFinal(error: AppError): AppError {
  const { kind, data, cause, neverRan } = error
  return new AppError(kind, data, { cause, neverRan, final: true })
}

/** Anything else that was thrown is a defect of ours or of the network: 'internal', with the original as its cause. */
export function asAppError(error: unknown): AppError {
  return error instanceof AppError ? error : new AppError('internal', {}, { cause: error })
}
