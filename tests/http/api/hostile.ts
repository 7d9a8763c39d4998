/** Hostile inputs, as recipes that can be printed: the largest inputs are made only when they are sent. */
import fc from 'fast-check'

const megabyte = 2 ** 20

/** Name → JSON. */
const large: Readonly<Record<string, () => string>> = {
  'a string of a megabyte': () => `"${'x'.repeat(megabyte)}"`,
  'half a megabyte of emoji': () => `"${'👩‍👩‍👧'.repeat(megabyte / 36)}"`,
  'a number of a million digits': () => '9'.repeat(1_000_000),
  'arrays, 1,000 deep': () => '['.repeat(1_000) + ']'.repeat(1_000),
  'objects, 1,000 deep': () => `${'{"a":'.repeat(1_000)}1${'}'.repeat(1_000)}`,
  'arrays, 100,000 deep': () => '['.repeat(100_000) + ']'.repeat(100_000),
  '10,000 numbers': () => `[${Array.from({ length: 10_000 }, (_, at) => at)}]`,
  '10,000 texts': () => JSON.stringify(Array(10_000).fill('a cat')),
  '10,000 objects': () => JSON.stringify(Array(10_000).fill({ type: 'text', text: 'a cat', url: 'x' })),
  '10,000 keys': () => `{${Array.from({ length: 10_000 }, (_, at) => `"${at}":1`)}}`,
}

const texts = [
  '',
  ' ',
  'null',
  'NaN',
  '-1',
  '0',
  '16:9',
  '0x0',
  '99999x99999',
  '\0',
  'a\0cat',
  '\ud800',
  '\udfff\ud800',
  '\u202ecat\u202d',
  '\u2066\u2067\u2068',
  'صورة قطة',
  '👩‍👩‍👧‍👦',
  '﷽'.repeat(50),
  'Z̸̢̛a̷l̶g̵o̴'.repeat(50),
  '９',
  '../../etc/passwd',
  '..%2f..%2fetc%2fpasswd',
  '%00',
  '%',
  '%ff%fe',
  '__proto__',
  'constructor',
  'toString',
  '<script>alert(1)</script>',
  '{{7*7}}',
  "'; drop table users; --",
  'a\r\nx-injected: 1',
  'data:image/png;base64,',
  'data:image/png;base64,AAAA',
  'data:text/html,<b>',
  'http://127.0.0.1:1/a.png',
  'https://[::1]:1/a.png',
  'ftp://x/a.png',
  'x'.repeat(33_000),
]

const literals = ['null', 'true', 'false', '0', '-0', '-1', '0.5', '1e308', '1e999', '-1e999', '9007199254740993', '[]']
const shapes = [
  '{}',
  '[[]]',
  '[null]',
  '[[[1]]]',
  '{"a":1}',
  '{"__proto__":{"admin":true}}',
  '{"toString":1}',
  '{"url":7}',
]

/** Any UTF-16 code units, unpaired surrogates included. */
const units = fc.string({
  unit: fc.integer({ min: 0, max: 0xffff }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
})

export const hostileText = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...texts) },
  { weight: 1, arbitrary: units },
)

/** JSON, or the name of a large input. */
export const hostileJson = fc.oneof(
  { weight: 4, arbitrary: fc.constantFrom(...literals, ...shapes) },
  { weight: 4, arbitrary: hostileText.map((text) => JSON.stringify(text)) },
  { weight: 2, arbitrary: fc.json({ maxDepth: 3 }) },
  { weight: 1, arbitrary: fc.constantFrom(...Object.keys(large)) },
)

export const made = (recipe: string) => (Object.hasOwn(large, recipe) ? (large[recipe]?.() ?? '') : recipe)

export const types = [
  undefined,
  'application/json',
  'application/json; charset=utf-8',
  'application/json; charset=utf-16',
  'application/json;;;',
  'application/problem+json',
  'application/x-www-form-urlencoded',
  'application/octet-stream',
  'application/xml',
  'text/plain',
  'nonsense',
  'multipart/form-data',
  'multipart/form-data; boundary=',
  `multipart/form-data; boundary=${'x'.repeat(200)}`,
  'multipart/form-data; boundary=x',
] as const

/** Name → a valid body → an invalid one. */
export const wholes: Readonly<Record<string, (good: string) => string | Buffer>> = {
  nothing: () => '',
  'an array': () => '[]',
  'a number': () => '7',
  null: () => 'null',
  'a text': () => '"x"',
  'one brace': () => '{',
  'half of it': (good) => good.slice(0, good.length / 2),
  'all of it twice': (good) => good + good,
  'a byte order mark before it': (good) => `\ufeff${good}`,
  'bytes that are not text': () => Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0xc0, 0x80, 0x22, 0x3a, 0x31, 0x7d]),
  'arrays, 100,000 deep': () => made('arrays, 100,000 deep'),
  'two megabytes': () => `{"prompt":"${'x'.repeat(2 * megabyte)}"}`,
  'a form': () => 'prompt=a+cat&n=1',
  'an end of a form': () => '--x--\r\n',
}

const part = (name: string, text: string, more = '') =>
  `--x\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n${text}\r\n`
const file = (name: string, data: string, filename = 'a.png') =>
  part(name, data, `; filename="${filename}"\r\ncontent-type: image/png`)
const end = '--x--\r\n'

/** Name → the fields of a valid form → a form with the boundary `x`. */
export const forms: Readonly<Record<string, (good: string) => string>> = {
  'no end': (good) => good,
  'half of it': (good) => good.slice(0, good.length / 2),
  'an end in a file': (good) => `${good}${file('image', 'abc').slice(0, -8)}`,
  'a file that is not a picture': (good) => good + file('image', 'no picture') + end,
  'an empty file': (good) => good + file('image', '') + end,
  'a file of another name': (good) => good + file('data', 'abc') + end,
  'a file that climbs': (good) => good + file('image', 'abc', '../../../etc/passwd') + end,
  'a file of ten megabytes and one': (good) => good + file('image', 'x'.repeat(10 * megabyte + 1)) + end,
  'a hundred fields': (good) => good + part('a', '1').repeat(100) + end,
  'twenty files': (good) => good + file('image', 'abc').repeat(20) + end,
  'a field of a long name': (good) => good + part('a'.repeat(10_000), '1') + end,
  'a field without a name': (good) => good + part('', '1') + end,
  'a proto': (good) => good + part('__proto__', '1') + part('constructor', '1') + end,
  'a broken head': (good) => `${good}--x\r\ngarbage\r\n\r\nabc\r\n${end}`,
  'a head of 100 kB': (good) => `${good}--x\r\nx: ${'y'.repeat(100_000)}\r\n\r\nabc\r\n${end}`,
  'only its end': () => end,
}

export const formOf = (fields: Readonly<Record<string, string>>) =>
  Object.entries(fields)
    .map(([name, text]) => part(name, text))
    .join('')

/** Values of a path parameter. */
export const segments = [
  'x',
  '..',
  '.',
  '%2e%2e',
  '..%2f..%2fetc%2fpasswd',
  '%2e%2e%2f%2e%2e%2fpackage.json',
  '..%5c..%5c',
  '%00',
  'a%00.png',
  '%',
  '%zz',
  '%ff%fe',
  '%c0%ae%c0%ae',
  '%E2%80%AE',
  '%F0%9F%90%88',
  'a%2Fb',
  'a%0d%0ax-injected:%201',
  '00000000-0000-0000-0000-000000000000',
  '0191e0a0-0000-7000-8000-00000000000g',
  "'%20or%201=1--",
  '__proto__',
  'constructor',
  'toString',
  '*',
  ':id',
  '-1',
  '1e9',
  'x'.repeat(101),
  'x'.repeat(8_000),
  '%41'.repeat(500),
]

export const headers: Readonly<Record<string, readonly string[]>> = {
  'accept-language': ['zh-CN', 'x'.repeat(5_000), '*', ';q=', 'en;q=NaN', '../../etc'],
  'idempotency-key': ['', ' ', 'x'.repeat(256), 'x'.repeat(5_000), 'a b', '__proto__'],
  prefer: ['respond-async', 'respond-async, wait=0', 'x'.repeat(5_000), 'wait=-1'],
  accept: ['text/html', 'application/xml', '', '*/*;q=0', 'text/event-stream'],
  'accept-version': ['1.x', '../..'],
  'content-encoding': ['gzip', 'br', 'x'],
  'content-length': ['-1', 'x', '99999999999'],
  'transfer-encoding': ['chunked', 'gzip'],
  'x-stainless-retry-count': ['1', '-1', 'x', '1e9'],
  'x-forwarded-for': ['127.0.0.1', "' or 1=1"],
  'x-request-id': ['mine', 'x'.repeat(5_000)],
  'if-none-match': ['*', '"x"'],
  range: ['bytes=0-', 'bytes=-1', 'bytes=9-1'],
  expect: ['100-continue', 'x'],
  origin: ['null', 'https://pages.example'],
}
