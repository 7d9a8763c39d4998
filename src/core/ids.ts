/** Ids of rows, and the name that stands before the colon of an address or identity. */

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Ids are of the database's uuid type; it rejects any other text. */
export const isId = (id: string) => uuid.test(id)

/** 'discord:123' → 'discord'. */
export const surfaceOf = (name: string) => name.slice(0, Math.max(0, name.indexOf(':')))
