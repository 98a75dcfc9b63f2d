/** Bad input: one clear line that says where and what was expected. The command line ends with exit code 2. */
export class InputError extends Error {
  readonly where: string
  readonly problem: string

  constructor(where: string, problem: string) {
    super(`${where}: ${problem}`)
    this.name = 'InputError'
    this.where = where
    this.problem = problem
  }
}
