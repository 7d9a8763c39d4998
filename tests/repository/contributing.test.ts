import { execFile } from 'node:child_process'
import { cp, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const run = promisify(execFile)
const root = fileURLToPath(new URL('../../', import.meta.url))

describe('the example in CONTRIBUTING.md', () => {
  let copy: string
  beforeEach(async () => {
    copy = await mkdtemp(join(tmpdir(), 'fluxbot-example-'))
    for (const name of ['src', 'tsconfig.json', 'package.json']) {
      await cp(join(root, name), join(copy, name), { recursive: true })
    }
    await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
    const example = /```diff\n([\s\S]*?)```/.exec(await readFile(join(root, 'CONTRIBUTING.md'), 'utf8'))?.[1] ?? ''
    await writeFile(join(copy, 'example.diff'), example)
    await run('git', ['apply', 'example.diff'], { cwd: copy })
  })
  afterEach(() => rm(copy, { recursive: true, force: true }))

  it('applies to the code', async () => {
    const added = await readFile(join(copy, 'src/bots/actions/index.ts'), 'utf8')
    expect(added).toContain('balanceAction')
  })

  // the compiler takes half a minute on a busy machine, so this is part of `npm run test:long`
  it.runIf(process.env.LONG)('compiles but for the translations that are left out here', async () => {
    const file = join(copy, 'src/locales/zh.ts')
    const before = await readFile(file, 'utf8')
    const [option, label] = [/, count: '图片数量'/, / {4}balance: '我的积分',\n/]
    expect(before).toMatch(option)
    expect(before).toMatch(label)
    await writeFile(file, before.replace(option, '').replace(label, ''))
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const { stdout } = await run(process.execPath, [compiler, '--noEmit', '--pretty', 'false'], { cwd: copy }).catch(
      (error: { stdout: string }) => error,
    )
    const errors = stdout.split('\n').filter((line) => line.includes(': error '))
    expect(errors).toEqual([
      expect.stringMatching(/^src\/locales\/zh\.ts.*'(count|balance)'/),
      expect.stringMatching(/^src\/locales\/zh\.ts.*'(count|balance)'/),
    ])
    expect(stdout).toContain("'count'")
    expect(stdout).toContain("'balance'")
  })
})
