/** Finds names in the environment that look like settings of fluxbot but are not: a misspelled setting would have no effect. */

const prefixes =
  /^(FLUXBOT|FLUX|DISCORD|TELEGRAM|FAL|OPENAI_IMAGE|GEMINI|MIDJOURNEY|JIMENG|KLING|CF_API|CF_ACCOUNT|COMFYUI|DOUBAO|QWEN|EXTERNAL_API|COS|S3|WELCOME|PROMPT_OPTIMIZATION)_/i
/** Kubernetes and Docker describe services by such variables. */
const injected = /_SERVICE_(HOST|PORT)|_PORT(_\d+_(TCP|UDP).*)?$/

/** Names of other programs that resemble ours, or that often stand in the same .env file. */
const others: ReadonlySet<string> = new Set(
  (
    'APP_KEY TELEGRAM_API_ID TELEGRAM_API_HASH TELEGRAM_LOCAL TELEGRAM_STAT COMFYUI_PATH FLUXBOT_TAG FLUXBOT_IMAGE ' +
    'FLUXBOT_VERSION'
  ).split(' '),
)

/** Sentences about names that look like one of the `known`. */
export function lookalikes(given: readonly string[], known: readonly string[]): string[] {
  return given.flatMap((name) => {
    if (known.includes(name) || others.has(name)) return []
    const closest = closestTo(name, known)
    const isClose = isMisspelled(plain(name), plain(closest))
    if (!isClose && (!prefixes.test(name) || injected.test(name))) return []
    const cure = isClose || sharesEnds(name, closest) ? `did you mean ${closest}?` : '.env.example lists all settings.'
    return [`${name} is not a setting of fluxbot: ${cure} Rename or remove it`]
  })
}

function closestTo(name: string, known: readonly string[]): string {
  const ranked = known.map((each) => ({ each, distance: distanceOf(plain(name), plain(each)) }))
  return ranked.sort((a, b) => a.distance - b.distance)[0]?.each ?? ''
}

/** Case, underscores and hyphens do not count. */
const plain = (name: string) => name.toUpperCase().replace(/[_-]/g, '')

/** Stricter for short names, which resemble too many others, and for another first letter: AWS_REGION is not COS_REGION. */
function isMisspelled(name: string, setting: string): boolean {
  const distance = distanceOf(name, setting)
  if (setting.length < 5) return distance <= 1 && sorted(name) === sorted(setting)
  return distance <= (setting.length < 9 || name[0] !== setting[0] ? 1 : 2)
}

const sorted = (text: string) => [...text].sort().join('')

/** DISCORD_BOT_TOKEN is meant to be DISCORD_TOKEN. */
function sharesEnds(name: string, other: string): boolean {
  const [ours, theirs] = [name.toUpperCase().split('_'), other.split('_')]
  return ours[0] === theirs[0] && ours.at(-1) === theirs.at(-1)
}

/** Letters to insert, delete, replace or swap with their neighbour (Damerau and Levenshtein). */
function distanceOf(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)]
  const at = (row: number, column: number) => rows[row]?.[column] ?? 0
  for (let row = 1; row <= a.length; row++) {
    rows.push([row])
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1]
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]
      const simple = Math.min(
        at(row - 1, column) + 1,
        at(row, column - 1) + 1,
        at(row - 1, column - 1) + (isSame ? 0 : 1),
      )
      rows[row]?.push(isSwap ? Math.min(simple, at(row - 2, column - 2) + 1) : simple)
    }
  }
  return at(a.length, b.length)
}
