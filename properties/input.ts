/** Bad input: one clear line that says where and what was expected. The command line ends with exit code 2. */
export class InputError extends Error {
  constructor(where: string, what: string) {
    super(`${where}: ${what}`)
    this.name = 'InputError'
  }
}
