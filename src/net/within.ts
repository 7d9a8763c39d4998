/** The outcome of the work, or 'late' if it takes longer. The work goes on. */
export async function within<T>(ms: number, work: Promise<T> | undefined): Promise<T | 'late' | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(resolve, ms, 'late')
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
