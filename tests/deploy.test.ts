import { readdirSync, readFileSync } from 'node:fs'
import { parseEnv } from 'node:util'
import { describe, expect, it } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { readConfig } from '../src/config.ts'
import { settingNames } from '../src/settings.ts'

const root = new URL('../', import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), 'utf8')
const folder = 'deploy/kubernetes/'
const environment = (path: string) => parseEnv(read(`${folder}${path}`))

interface Probe {
  httpGet: { path: string; port: string }
}
interface Container {
  image: string
  env: { name: string; value: string }[]
  envFrom: Record<string, { name: string }>[]
  ports: { name: string; containerPort: number }[]
  volumeMounts: { name: string; mountPath: string }[]
  lifecycle?: { preStop: { exec: { command: string[] } } }
  startupProbe: Probe
  livenessProbe: Probe
  readinessProbe: Probe
  resources: object
  securityContext: object
}
interface PodSpec {
  containers: Container[]
  terminationGracePeriodSeconds: number
  volumes: { name: string }[]
  securityContext: object
  automountServiceAccountToken: boolean
}
interface Manifest {
  apiVersion: string
  kind: string
  metadata: { name: string }
  spec: {
    selector: { matchLabels: Record<string, string> } & Record<string, unknown>
    template: { metadata: { labels: Record<string, string> }; spec: PodSpec }
    ports: { name: string; targetPort?: string }[]
    scaleTargetRef: { name: string }
    podMetricsEndpoints: { port: string; path: string; authorization: { credentials: { name: string; key: string } } }[]
    rules: {
      host: string
      http: { paths: { path: string; backend: { service: { name: string; port: { name: string } } } }[] }
    }[]
    tls: { hosts: string[] }[]
  }
}
const kustomization = parse(read(`${folder}kustomization.yaml`))
const component = parse(read(`${folder}autoscaling/kustomization.yaml`))
const paths: string[] = [
  ...kustomization.resources,
  ...component.resources.map((name: string) => `autoscaling/${name}`),
]
const manifests = paths.flatMap((path) =>
  parseAllDocuments(read(`${folder}${path}`)).map((document) => {
    expect(document.errors, path).toEqual([])
    return document.toJS() as Manifest
  }),
)
const of = (kind: string) => manifests.filter((manifest) => manifest.kind === kind)
const deployments = of('Deployment').map((manifest) => ({ ...manifest, pod: manifest.spec.template.spec }))
const [{ newTag } = { newTag: '' }] = kustomization.images

describe('the manifests for Kubernetes', () => {
  it('are all in the kustomization, and name the version of package.json', () => {
    const files = readdirSync(new URL(folder, root), { recursive: true, encoding: 'utf8' })
    const listed = files.filter((name) => name.endsWith('.yaml') && !name.endsWith('kustomization.yaml'))
    expect(listed.sort()).toEqual([...paths].sort())
    expect(newTag).toBe(JSON.parse(read('package.json')).version)
    expect(kustomization.images[0].name).toBe('fluxbot')
  })

  it('run each role with settings that exist and are accepted', () => {
    const shared = environment('settings.env')
    const secrets = environment('secrets.env.example')
    for (const name of Object.keys({ ...shared, ...secrets })) expect(settingNames).toContain(name)
    expect(new Set(Object.values(secrets)), 'no secret has a value').toEqual(new Set(['']))
    const examples = {
      SECRET_KEY: 's'.repeat(32),
      DATABASE_URL: 'postgres://a/b',
      S3_ACCESS_KEY_ID: 'id',
      S3_SECRET_ACCESS_KEY: 'key',
    }
    const image = Object.fromEntries(
      [...read('Dockerfile').matchAll(/(\w+)=(\S+)/g)].map(([, name, value]) => [name, value]),
    )
    const configs = deployments.map(({ pod }) => {
      const own = Object.fromEntries(pod.containers[0]?.env.map(({ name, value }) => [name, value]) ?? [])
      return readConfig({
        HOST: image.HOST,
        PORT: image.PORT,
        DATA_DIR: image.DATA_DIR,
        ...shared,
        ...examples,
        ...own,
      })
    })
    expect(configs.flatMap(({ roles }) => [...roles]).sort()).toEqual(['bots', 'http', 'worker'])
    for (const config of configs) expect(config).toMatchObject({ listens: true, host: '0.0.0.0', usesDataDir: false })
  })

  it.each(deployments)('give $metadata.name probes, limits and no unnecessary rights', ({ metadata, spec, pod }) => {
    const [container] = pod.containers
    expect(container?.image).toBe('fluxbot')
    const [port] = container?.ports ?? []
    expect(read('Dockerfile')).toMatch(new RegExp(`^EXPOSE ${port?.containerPort}$`, 'm'))
    const probes = { startupProbe: '/healthz', livenessProbe: '/healthz', readinessProbe: '/readyz' } as const
    for (const [name, path] of Object.entries(probes))
      expect(container?.[name as keyof typeof probes].httpGet).toEqual({ path, port: port?.name })
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, runAsUser: 1000 },
    })
    expect(container?.resources).toMatchObject({
      requests: { cpu: expect.stringMatching(/m$/), memory: expect.stringMatching(/Mi$/) },
      limits: { memory: expect.stringMatching(/i$/) },
    })
    expect(container?.volumeMounts.map(({ name }) => name)).toEqual(pod.volumes.map(({ name }) => name))
    expect(container?.volumeMounts.map(({ mountPath }) => mountPath)).toEqual(['/tmp', '/data'])
    // both are what the Service, the budget and the metrics select pods by
    expect(spec.template.metadata.labels).toMatchObject(spec.selector.matchLabels)
    expect(spec.template.metadata.labels['app.kubernetes.io/part-of']).toBe('fluxbot')
    const budget = of('PodDisruptionBudget').find(({ metadata: { name } }) => name === metadata.name)
    expect(budget?.spec.selector.matchLabels).toEqual(spec.selector.matchLabels)
    const sources = container?.envFrom.flatMap((source) => Object.values(source)).map(({ name }) => name)
    expect(sources).toEqual([kustomization.configMapGenerator[0].name, 'fluxbot-secrets'])
  })

  it.each(deployments)('give $metadata.name more time to stop than it takes', ({ pod }) => {
    const stopMs = /const stopWithinMs = ([\d_]+)/.exec(read('src/main.ts'))?.[1]?.replaceAll('_', '')
    const before = Number(pod.containers[0]?.lifecycle?.preStop.exec.command[1] ?? 0)
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(before + Number(stopMs) / 1_000)
  })

  it('serve PUBLIC_URL, without /metrics', () => {
    const { hostname } = new URL(environment('settings.env').PUBLIC_URL ?? '')
    const [ingress] = of('Ingress')
    const [rule] = ingress?.spec.rules ?? []
    expect([rule?.host, ...(ingress?.spec.tls[0]?.hosts ?? [])]).toEqual([hostname, hostname])
    const services = new Map(of('Service').map(({ metadata, spec }) => [metadata.name, spec]))
    const backends = new Map(rule?.http.paths.map(({ path, backend: { service } }) => [path, service]))
    for (const service of backends.values())
      expect(services.get(service.name)?.ports.map(({ name }) => name)).toEqual([service.port.name])
    expect(services.get(backends.get('/metrics')?.name ?? '')?.selector).toBeUndefined()
    const http = deployments.find(({ metadata }) => metadata.name === 'fluxbot-http')
    expect(services.get(backends.get('/')?.name ?? '')?.selector).toEqual(http?.spec.selector.matchLabels)
  })

  it('scale workers by what Prometheus reads with API_KEY', () => {
    expect(of('ScaledObject')[0]?.spec.scaleTargetRef.name).toBe('fluxbot-worker')
    expect(component.patches[0].target).toEqual({ kind: 'Deployment', name: 'fluxbot-worker' })
    const [endpoint] = of('PodMonitor')[0]?.spec.podMetricsEndpoints ?? []
    expect(endpoint).toMatchObject({ port: 'http', path: '/metrics' })
    expect(endpoint?.authorization.credentials).toEqual({ name: 'fluxbot-secrets', key: 'API_KEY' })
    expect(environment('secrets.env.example')).toHaveProperty('API_KEY')
  })
})

describe('Caddy', () => {
  it('is in front of the service http of docker-compose.yml, without /metrics', () => {
    const { services } = parse(read('docker-compose.yml'), { merge: true })
    const { caddy, http } = services
    expect(caddy).toMatchObject({ profiles: ['https'], read_only: true, cap_drop: ['ALL'] })
    expect(caddy.volumes[0]).toBe('./deploy/caddy/Caddyfile:/etc/caddy/Caddyfile:ro')
    expect(caddy.environment.PUBLIC_URL).toBe(http.environment.PUBLIC_URL)
    const file = read('deploy/caddy/Caddyfile')
    expect(file).toContain('{$PUBLIC_URL} {')
    expect(file).toMatch(/@(\w+) path \/metrics \/metrics\/\s+respond @\1 404/)
    expect(file).toContain(`reverse_proxy http:${http.environment.PORT} `)
  })
})
