import sharp from 'sharp'
import { describe, expect, it, vi } from 'vitest'
import type { ImageFile } from '../../../src/core/ports/images.ts'
import { failure } from '../../contracts/provider.ts'
import { picture } from '../../emulators/pictures.ts'
import {
  bodies,
  changed,
  comfyuiFixture,
  comfyuiTask,
  finish,
  type SentGraph,
  sentGraph,
} from '../../helpers/providers/comfyui.ts'

const { open, createProvider } = comfyuiFixture()
const signal = () => AbortSignal.timeout(20_000)

async function image(width: number, height: number): Promise<ImageFile> {
  return { data: await picture(width, height, 'jpeg', width), type: 'image/jpeg', width, height }
}

describe('a graph of the provider ComfyUI', () => {
  it('names input pictures as the server stored them', async () => {
    const emulator = await open()
    const task = comfyuiTask('comfy-kontext', {}, [await image(200, 100), await image(300, 100)])
    emulator.files.save('input', 'x', Buffer.from('x'))
    await emulator.files.upload(await uploadOf(`${task.id}-1.jpg`, await picture(9, 9)))
    const { images } = await finish(createProvider([emulator]), task)
    expect(await sharp(images[0]).metadata()).toMatchObject({ width: 1568, height: 672 })
    const graph = sentGraph(emulator)
    expect(graph['10']?.inputs.image).toBe(`${task.id}-0.jpg`)
    expect(graph['11']?.inputs.image).toBe(`${task.id}-1 (1).jpg`)
    expect(emulator.files.read('input', `${task.id}-0.jpg`)?.equals(task.images[0]!.data)).toBe(true)
    expect(emulator.files.read('input', `${task.id}-1 (1).jpg`)?.equals(task.images[1]!.data)).toBe(true)
  })

  it('changes a picture in the requested size', async () => {
    const emulator = await open()
    const params = { strength: 0.4, count: 2, width: 320, height: 192 }
    const { images } = await finish(
      createProvider([emulator]),
      comfyuiTask('comfy-dev', params, [await image(500, 100)]),
    )
    expect(images).toHaveLength(2)
    expect(await sharp(images[1]).metadata()).toMatchObject({ width: 320, height: 192 })
    expect(sentGraph(emulator)['7']?.inputs.denoise).toBe(0.4)
  })

  it('is not submitted when a picture cannot be uploaded', async () => {
    const emulator = await open()
    emulator.faults.add({ kind: 'dropAfter', match: { path: /upload/ } })
    const task = comfyuiTask('comfy-kontext', {}, [await image(200, 100)])
    expect(await failure(createProvider([emulator]).start(task, signal()))).toMatchObject({
      kind: 'provider_failed',
      neverRan: true,
    })
    expect(emulator.accepted()).toBe(0)
  })

  it.each(['old', 'new'] as const)('names installed files, also in subfolders (%s version)', async (version) => {
    const emulator = await open({
      version,
      files: {
        diffusion_models: ['a.safetensors', 'flux/flux1-dev-fp8.safetensors'],
        text_encoders: ['clip_l.safetensors', 'sub\\t5xxl_fp8_e4m3fn.safetensors'],
        vae: ['ae.safetensors'],
      },
    })
    await finish(createProvider([emulator]), comfyuiTask('comfy-dev'))
    expect(sentGraph(emulator)['1']?.inputs.unet_name).toBe('flux/flux1-dev-fp8.safetensors')
    expect(sentGraph(emulator)['2']?.inputs.clip_name2).toBe('sub\\t5xxl_fp8_e4m3fn.safetensors')
  })

  it('caches the installed files', async () => {
    const emulator = await open()
    const provider = createProvider([emulator])
    await finish(provider, comfyuiTask('comfy-dev'))
    await finish(provider, comfyuiTask('comfy-dev'))
    const paths = emulator.requests.map(({ path }) => path).filter((path) => path.startsWith('/object_info'))
    expect(paths.sort()).toEqual(['/object_info/DualCLIPLoader', '/object_info/UNETLoader', '/object_info/VAELoader'])
  })

  it('is refused with node, input and files when none of the files is installed', async () => {
    const emulator = await open({ files: { diffusion_models: ['sd15.safetensors'] } })
    const error = await failure(createProvider([emulator]).start(comfyuiTask('comfy-dev'), signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toBe(
      'node 1 (UNETLoader), unet_name: none of these files is installed: ' +
        'flux1-dev.safetensors, flux1-dev-fp8.safetensors, flux1-dev-fp8-e4m3fn.safetensors',
    )
    expect(bodies(emulator)).toEqual([])
  })

  it.each([
    ['comfy-dev', 't5xxl', 512],
    ['comfy-schnell', 'text', 256],
  ])('of %s has the prompt cut to the limit of its encoder, with a note', async (model, input, limit) => {
    const emulator = await open()
    const prompt = Array.from({ length: 600 }, (_, n) => `word${n}`).join(' ')
    const { notes } = await finish(createProvider([emulator]), comfyuiTask(model, { prompt }))
    expect(notes).toEqual([{ kind: 'prompt_cut', data: { limit } }])
    const sent = String(sentGraph(emulator)['4']?.inputs[input])
    expect(prompt.startsWith(`${sent} `)).toBe(true)
    expect(sent.split(' ').length).toBeGreaterThan(limit / 5)
  })

  it('has the prompt cut for the small encoder without a note', async () => {
    const emulator = await open()
    const prompt = 'word '.repeat(100).trim()
    const { notes } = await finish(createProvider([emulator]), comfyuiTask('comfy-dev', { prompt }))
    expect(notes).toEqual([])
    expect(sentGraph(emulator)['4']?.inputs).toMatchObject({ t5xxl: prompt, clip_l: 'word '.repeat(75).trim() })
  })

  it('returns previews when it saves no picture', async () => {
    const emulator = await open()
    const task = changed(comfyuiTask('comfy-dev'), '9', {}, 'PreviewImage')
    expect((await finish(createProvider([emulator]), task)).images).toHaveLength(1)
    expect(emulator.requests.find(({ path }) => path === '/view')?.query.get('type')).toBe('temp')
  })

  it('returns saved pictures rather than previews', async () => {
    const emulator = await open()
    const task = comfyuiTask('comfy-dev')
    const graph = task.input as unknown as SentGraph
    graph['0'] = { class_type: 'PreviewImage', inputs: { images: ['8', 0] } }
    expect((await finish(createProvider([emulator]), task)).images).toHaveLength(1)
    const views = emulator.requests.filter(({ path }) => path === '/view').map(({ query }) => query.get('type'))
    expect(views).toEqual(['output'])
  })

  it('is withdrawn when only its picture output is invalid', async () => {
    const emulator = await open({ workMs: 60_000 })
    const task = changed(comfyuiTask('comfy-dev'), '9', { images: ['3', 0] })
    const graph = task.input as unknown as SentGraph
    graph['20'] = { class_type: 'SaveLatent', inputs: { samples: ['7', 0], filename_prefix: 'x' } }
    const error = await failure(createProvider([emulator]).start(task, signal()))
    expect(error).toMatchObject({ kind: 'provider_refused', neverRan: true })
    expect(error.data.reason).toContain('node 9 (SaveImage), images: Return type mismatch')
    await vi.waitFor(() => expect(emulator.work.remaining()).toBe(0))
  })
})

/** A request to POST /upload/image of another client. */
async function uploadOf(name: string, data: Buffer) {
  const form = new FormData()
  form.append('image', new Blob([Uint8Array.from(data)]), name)
  const response = new Response(form)
  const body = Buffer.from(await response.arrayBuffer())
  const headers = { 'content-type': response.headers.get('content-type') ?? '' }
  const query = new URLSearchParams()
  return { method: 'POST', path: '/upload/image', query, headers, body, at: 0, status: 0 }
}
