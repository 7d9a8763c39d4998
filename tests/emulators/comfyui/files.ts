/** The server's folders (input, output, temp), their rules for names, and GET /view and POST /upload/image. */
import type { Received, Sent } from '../server.ts'

export type Folder = 'input' | 'output' | 'temp'

export interface Files {
  /** `name`: with its subfolder, such as 'sub/name.png'. */
  read(folder: Folder, name: string): Buffer | undefined
  names(folder: Folder): string[]
  /** Stores a picture under the next free name with this prefix, such as 'prefix_00001_.png'. */
  save(folder: Folder, prefix: string, data: Buffer): { filename: string; subfolder: string; type: Folder }
  upload(received: Received): Promise<Sent>
  view(query: URLSearchParams): Sent
  delete(folder: Folder, name: string): void
}

const escapes = (path: string) => path.startsWith('/') || path.split('/').includes('..')
const pathOf = (subfolder: string, name: string) => (subfolder ? `${subfolder}/${name}` : name)

export function createFiles(): Files {
  const folders = {
    input: new Map<string, Buffer>(),
    output: new Map<string, Buffer>(),
    temp: new Map<string, Buffer>(),
  }
  const counters = new Map<string, number>()

  function freeName(
    folder: Map<string, Buffer>,
    { subfolder, name, data }: { subfolder: string; name: string; data: Buffer },
  ) {
    const dot = name.lastIndexOf('.')
    const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, '']
    for (let n = 0; ; n++) {
      const candidate = n === 0 ? name : `${stem} (${n})${ending}`
      const existing = folder.get(pathOf(subfolder, candidate))
      if (!existing || existing.equals(data)) return candidate
    }
  }

  return {
    read: (folder, name) => folders[folder].get(name),
    names: (folder) => [...folders[folder].keys()],
    delete: (folder, name) => void folders[folder].delete(name),
    save(folder, prefix, data) {
      const slash = prefix.lastIndexOf('/')
      const [subfolder, stem] = [prefix.slice(0, Math.max(0, slash)), prefix.slice(slash + 1)]
      const n = (counters.get(`${folder}/${prefix}`) ?? 0) + 1
      counters.set(`${folder}/${prefix}`, n)
      const filename = `${stem}_${String(n).padStart(5, '0')}_.png`
      folders[folder].set(pathOf(subfolder, filename), data)
      return { filename, subfolder, type: folder }
    },
    async upload({ headers, body }) {
      const type = headers['content-type'] ?? ''
      const form = await new Response(new Uint8Array(body), { headers: { 'content-type': type } }).formData()
      const image = form.get('image')
      if (!(image instanceof File) || image.name === '') return { status: 400 }
      const subfolder = String(form.get('subfolder') ?? '')
      const folder = String(form.get('type') ?? 'input') as Folder
      if (!folders[folder] || escapes(subfolder) || escapes(image.name)) return { status: 400 }
      const data = Buffer.from(await image.arrayBuffer())
      const overwrite = ['true', '1'].includes(String(form.get('overwrite')))
      const name = overwrite ? image.name : freeName(folders[folder], { subfolder, name: image.name, data })
      folders[folder].set(pathOf(subfolder, name), data)
      return { status: 200, body: { name, subfolder, type: folder } }
    },
    view(query) {
      const filename = query.get('filename') ?? ''
      const subfolder = query.get('subfolder') ?? ''
      const folder = folders[(query.get('type') ?? 'output') as Folder]
      if (escapes(filename) || !folder) return { status: 400 }
      if (escapes(subfolder)) return { status: 403 }
      const data = folder.get(pathOf(subfolder, filename))
      if (!data) return { status: 404 }
      const ending = filename.split('.').at(-1)
      const headers = {
        'content-type': `image/${ending === 'jpg' ? 'jpeg' : ending}`,
        'content-disposition': `filename="${filename}"`,
      }
      return { status: 200, headers, body: data }
    },
  }
}
