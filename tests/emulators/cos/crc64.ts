/** CRC-64/XZ, which COS calls crc64ecma. Computed in 32-bit halves, because BigInt takes seconds for a large picture. */

const [polyHigh, polyLow] = [0xc96c5795, 0xd7870f42]
const high = new Uint32Array(256)
const low = new Uint32Array(256)
for (let byte = 0; byte < 256; byte++) {
  let [h, l] = [0, byte]
  for (let bit = 0; bit < 8; bit++) {
    const odd = l & 1
    l = (l >>> 1) | (h << 31)
    h >>>= 1
    if (odd) {
      l ^= polyLow
      h ^= polyHigh
    }
  }
  high[byte] = h
  low[byte] = l
}

/** Returns the decimal number of the header x-cos-hash-crc64ecma. */
export function crc64(data: Uint8Array): string {
  let [h, l] = [0xffffffff, 0xffffffff]
  for (let at = 0; at < data.length; at++) {
    const index = (l ^ data[at]!) & 0xff
    l = ((l >>> 8) | (h << 24)) ^ low[index]!
    h = (h >>> 8) ^ high[index]!
  }
  return String((BigInt(~h >>> 0) << 32n) | BigInt(~l >>> 0))
}
