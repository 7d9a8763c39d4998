/** Ids of rows. */

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** Ids are of the database's uuid type; it rejects any other text. */
export const isId = (id: string) => uuid.test(id)
