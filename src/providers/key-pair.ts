/** Services with two keys: one that names the account, and a secret that signs. They are configured as 'access:secret'. */
export interface KeyPair {
  access: string
  /** Absent: the service takes `access` as it is. */
  secret: string | undefined
}

export function keyPairIn(key = ''): KeyPair {
  const at = key.indexOf(':')
  return at < 0 ? { access: key, secret: undefined } : { access: key.slice(0, at), secret: key.slice(at + 1) }
}
