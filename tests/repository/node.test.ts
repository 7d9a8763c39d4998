import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = new URL('../../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const workflow = parse(read('.github/workflows/ci.yml'))

describe('the current LTS of Node', () => {
  const current = read('.nvmrc').trim()

  it('is the same in .nvmrc, in the image and for npm run test:lts', () => {
    const images = [...read('Dockerfile').matchAll(/^FROM node:(\d+)/gm)].map((match) => match[1])
    expect(images).toEqual([current, current])
    const versions = new Set(Object.values<string>(JSON.parse(read('tests/lts/package.json')).optionalDependencies))
    expect([...versions].map((version) => version.split('.')[0])).toEqual([current])
  })
})

describe('the workflow of GitHub Actions', () => {
  const jobs = Object.values<Job>(workflow.jobs)

  it('runs .ci/run on the oldest Node that package.json allows', () => {
    expect(jobs.flatMap((job) => job.steps.flatMap((step) => step.run ?? []))).toEqual(['.ci/run'])
    const oldest = JSON.parse(read('package.json')).engines.node.replace('>=', '')
    expect(jobs.map((job) => job.container.image)).toEqual([`node:${oldest}-bookworm`])
  })

  it('may only read, and ends in time', () => {
    expect(workflow.permissions).toEqual({ contents: 'read' })
    for (const job of jobs) expect(job['timeout-minutes']).toBeLessThanOrEqual(30)
    expect(workflow.concurrency['cancel-in-progress']).toBe(true)
  })

  it('pins the major version of every action', () => {
    for (const step of jobs.flatMap((job) => job.steps)) expect(step.uses ?? 'none@v1').toMatch(/@v\d+$/)
  })
})

interface Job {
  container: { image: string }
  'timeout-minutes': number
  steps: { run?: string; uses?: string }[]
}
