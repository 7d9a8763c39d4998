import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { backends } from './helpers/backends.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

describe('the benchmarks', () => {
  it.each([
    ['pipeline.ts', ['1', '20']],
    ['queue.ts', ['5']],
  ])('%s runs on every back end', async (file, options) => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', `bench/${file}`, ...options], { cwd: root })
    for (const kind of backends()) expect(stdout).toMatch(new RegExp(`^\\| ${kind} +\\| [\\d.]+`, 'm'))
  })

  it('fairness.ts prints a line with every back end', async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'bench/fairness.ts', '4', '1'], { cwd: root })
    for (const kind of backends()) expect(stdout).toMatch(new RegExp(`${kind} [\\d.]+ × / [\\d.]+ ×`))
  })

  it('history.ts runs with two numbers of rows', async () => {
    const { stdout } = await run(process.execPath, ['--import', 'tsx', 'bench/history.ts', '100', '200'], { cwd: root })
    for (const rows of [100, 200])
      expect(stdout).toMatch(new RegExp(`^\\| /credits, entries +\\| ${rows} +\\| [\\d.]+`, 'm'))
  })
})
