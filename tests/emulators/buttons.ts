/** Buttons under a message, in one form for every emulated chat. */

export interface ShownButton {
  label: string
  /** What the bot receives when the button is pressed. Absent: the button opens a link or pays. */
  id?: string
  url?: string
  /** What it sells. The chat writes its label. */
  sku?: string
  /** Absent: the chat's neutral style. */
  style?: 'primary' | 'success' | 'danger'
  disabled?: true
}

/** Finds a button by its id or label. Throws if there is none, or if pressing it would send nothing to the bot. */
export function findButton(rows: readonly ShownButton[][], wanted: string): ShownButton & { id: string } {
  const buttons = rows.flat()
  const button = buttons.find(({ id }) => id === wanted) ?? buttons.find(({ label }) => label === wanted)
  if (!button) {
    const shown = buttons.map(({ label, id, url }) => `"${label}" (${id ?? url ?? 'no id'})`)
    throw new Error(`no button "${wanted}"; there are: ${shown.join(', ') || 'none'}`)
  }
  const { id, disabled } = button
  if (disabled) throw new Error(`button "${wanted}" is disabled`)
  if (id === undefined) throw new Error(`button "${wanted}" sends nothing to the bot`)
  return { ...button, id }
}
