/**
 * What a command is: one declaration that is registered with platforms, parsed from text or typed options, checked, described
 * and typed. One file in commands/ each; commands/index.ts lists them.
 */
import type { InForce, SettingsInForce } from '../core/accounts/settings.ts'
import type { Core } from '../core/core.ts'
import type { Accepted, Submission } from '../core/generation/accept.ts'
import type { Address, Attachment, ButtonRows, Call, Posted, Reply, Typing } from '../core/ports/chat.ts'
import type { Choice } from '../core/ports/forms.ts'
import type { Model, Range } from '../core/ports/models.ts'
import type { AliasName, ChoiceName, SubcommandName, Words } from '../locales/index.ts'

export type CommandName = keyof Words['commands']

type OptionNameOf<N extends CommandName> = keyof Words['commands'][N]['options'] & string

export interface OptionSpec {
  /**
   * prompt: the text as it is, flags included · text, choice: words · user: a person ('discord:123', '@name', 'me') ·
   * switch: on or off, a flag without a value is on · channel: its id · role: its id and its name, as in '123 Artists' · image: an attachment, which arrives in `asked.images`.
   */
  type: 'prompt' | 'text' | 'integer' | 'number' | 'choice' | 'user' | 'channel' | 'role' | 'switch' | 'image'
  required?: boolean
  /** Of a choice. A function for those that follow the models that are set up. */
  choices?: readonly (ChoiceName | SubcommandName)[] | ((models: readonly Model[]) => readonly string[])
  /** Of a number; on platforms with typed options also of the length of a text. */
  min?: number
  max?: number
  /** Limits that platforms with typed options enforce for a number that models take. The core checks it again, with the chosen model. */
  range?: (models: readonly Model[]) => Range | undefined
  /** What to offer while a person types a value, on platforms that ask. Any other value may be given, too. */
  suggest?: (asked: Suggesting) => readonly Choice[] | Promise<readonly Choice[]>
  /** In text it is written `--name value`. Absent: by its position. */
  flag?: boolean
  /** In text it is written `name value` or `--name value`. */
  named?: boolean
  /** In text it takes all remaining words. */
  rest?: boolean
  /** Surfaces whose typed options have it. Absent: every surface. */
  surfaces?: readonly string[]
  /** Its value is a code that is worth something to others: no conversation keeps it. */
  secret?: boolean
  /** In text it is the last word, if that is a whole number and the required ones before it have theirs. */
  last?: boolean
}

/** What the choices for an option are made of. */
export interface Suggesting {
  core: Core
  from: Call['from']
  typing: Typing
  words: Words
  /** The settings in force. Empty where they could not be read in time. */
  settings: InForce
}

export type OptionSpecs = Readonly<Record<string, OptionSpec>>

type ValueOf<S extends OptionSpec> = S['type'] extends 'integer' | 'number'
  ? number
  : S['type'] extends 'switch'
    ? boolean
    : string

/** What was given. Images are not among them. */
export type Values<O extends OptionSpecs> = {
  readonly [Name in keyof O as O[Name]['type'] extends 'image' ? never : Name]: O[Name]['required'] extends true
    ? ValueOf<O[Name]>
    : ValueOf<O[Name]> | undefined
}

/** Who may use a command or a button. manager: who may manage the group, as the platform says. */
export type Permission = 'everyone' | 'manager' | 'admin'

/** What a command or an action works on. */
export interface Asked<V> {
  core: Core
  call: Call
  /** Of the person's language. */
  words: Words
  values: V
  images: readonly Attachment[]
  /** Settings of the person, and of the group where the call was made. */
  settings: SettingsInForce
  /** The result that the person replied to: its originals are among the images. */
  parent?: Submission['parent']
  /** Every command of the bot. */
  commands: readonly AnyCommand[]
}

/** A reply, and what dispatch does with it. */
export type Answer = Reply & {
  /** The accepted request that the reply waits for: its work starts once the reply is posted. */
  accepted?: Accepted
  /** The generation whose result the reply shows: its messages are recorded, so that replies and buttons find it. */
  shows?: string
  /** The reply replaces the pressed message. Without one, or if it is gone, the reply is posted. */
  inPlace?: boolean
  /** They replace the buttons of the pressed message. */
  newButtons?: ButtonRows
  /** Id of the draft that the reply shows. */
  drafted?: string
  /** The reply holds words or pictures of a private request: where others would see it, it goes to the person alone. */
  confidential?: boolean
  /** The reply goes to this address, and the chat of the call gets the notice. */
  elsewhere?: { address: Address; notice: Reply }
  /** Our message with the draft. A press turns it into the reply; a submitted form turns it into `closed`, without buttons. */
  chosenIn?: { posted: Posted | undefined; closed: Reply }
}

export interface Command<O extends OptionSpecs = OptionSpecs> {
  name: CommandName
  aliases?: readonly AliasName[]
  needs: Permission | ((values: Values<O>) => Permission)
  /**
   * private: only the person sees the answer, where the surface can do that · chosen: as its option `private` or the settings say,
   * else public. Errors are always private.
   */
  audience: 'public' | 'private' | 'chosen'
  /** In the order in which platforms with typed options show them; in text, by position or as flags. */
  options: O
  /** It asks for a picture, so an edit of its message changes what is asked for. Edits of other commands do nothing. */
  isRequest?: boolean
  /** It is refused in groups. */
  privateOnly?: boolean
  /** Surfaces that have it. Absent: every surface. */
  surfaces?: readonly string[]
  /** The command exists only in groups. */
  groupsOnly?: boolean
  /**
   * Platforms that have sub-commands show one for each choice of the first option, with these of the others. Their texts are
   * `subcommands` in each language.
   */
  subcommands?: Readonly<Record<string, Subcommand>>
  /** Whether it answers with a form: on platforms with forms, nothing else may answer before one. */
  opensForm?(given: readonly string[]): boolean
  /** Never posts: dispatch does. Throws AppError for what cannot be done. */
  run(asked: Asked<Values<O>>): Promise<Answer>
}

export interface Subcommand {
  /** Options that it needs. */
  required: readonly string[]
  optional?: readonly string[]
}

/** A command whose options are not known to the compiler: what lists and dispatch work with. */
export type AnyCommand = Omit<Command, 'needs' | 'run'> & {
  needs: Permission | ((values: never) => Permission)
  run(asked: Asked<never>): Promise<Answer>
}

/** The compiler checks that every option has its texts in every language, and that no text lacks its option. */
export function defineCommand<const N extends CommandName, const O extends Record<OptionNameOf<N>, OptionSpec>>(
  command: Command<O> & { name: N; options: { [K in keyof O]: K extends OptionNameOf<N> ? OptionSpec : never } },
): AnyCommand {
  return command
}

export const commandsOn = (surface: string, commands: readonly AnyCommand[]): readonly AnyCommand[] =>
  commands.filter(({ surfaces }) => surfaces?.includes(surface) ?? true)

/** By its name or an alias. */
export function findCommand(commands: readonly AnyCommand[], name: string): AnyCommand | undefined {
  return commands.find((command) => command.name === name || command.aliases?.some((alias) => alias === name))
}
