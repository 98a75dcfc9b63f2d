/** Waits, and stops waiting when it is over. */
export const sleep = (ms: number, over?: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      over?.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, ms)
    over?.addEventListener('abort', done)
    if (over?.aborted === true) done()
  })
