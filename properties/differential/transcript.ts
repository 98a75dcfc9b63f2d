/** A difference as one would type it to etcdctl, one line a request, and what each machine said at the end. */
import type { Difference } from './run.ts'

export const transcript = ({ steps, answers }: Difference): readonly string[] => {
  const width = Math.max(...answers.map(({ machine }) => machine.length))
  return [...steps.map((step) => `$ ${step}`), ...answers.map(({ machine, said }) => `  ${machine.padEnd(width)}  ${said}`)]
}
