/**
 * Hashes that prove two runs equal: cheap, not cryptographic, the same on every engine.
 *
 * Two 32-bit lanes of multiply and rotate over text, numbers and JSON-like values.
 */
export interface Digest {
  readonly high: number
  readonly low: number
}

const rotate = (value: number, by: number): number => (value << by) | (value >>> (32 - by))
const scratch = new Float64Array(1)
const words = new Uint32Array(scratch.buffer)

const known = new WeakMap<object, Digest>()

/** Structural digest of a JSON-like value. Objects are taken to be immutable: theirs is remembered by identity. */
export const digest = (value: unknown): Digest => {
  if (typeof value === 'object' && value !== null) {
    const found = known.get(value)
    if (found !== undefined) return found
    const hash = new RunningHash()
    hash.members(value)
    const made = hash.digest
    known.set(value, made)
    return made
  }
  const hash = new RunningHash()
  hash.value(value)
  return hash.digest
}

export class RunningHash {
  private high = 0x9e3779b9
  private low = 0x85ebca6b

  private mix(word: number): void {
    this.high = Math.imul(rotate(this.high ^ word, 13), 0xcc9e2d51)
    this.low = Math.imul(rotate(this.low + word, 17) ^ this.high, 0x1b873593)
  }

  number(value: number): void {
    if ((value | 0) === value) this.mix(value)
    else {
      scratch[0] = value
      this.mix(words[0] as number)
      this.mix(words[1] as number)
    }
  }

  text(value: string): void {
    this.mix(value.length)
    for (let index = 0; index < value.length; index++) this.mix(value.charCodeAt(index))
  }

  value(value: unknown): void {
    switch (typeof value) {
      case 'string':
        this.mix(1)
        return this.text(value)
      case 'number':
        this.mix(2)
        return this.number(value)
      case 'boolean':
        return this.mix(value ? 3 : 4)
      case 'object': {
        if (value === null) return this.mix(5)
        const made = digest(value)
        this.mix(made.high)
        return this.mix(made.low)
      }
      default:
        return this.mix(6)
    }
  }

  /** The members of an object or array themselves, not its remembered digest. Absent and undefined are the same. */
  members(value: object): void {
    if (Array.isArray(value)) {
      this.mix(value.length)
      for (const item of value) this.value(item)
      return
    }
    for (const name in value) {
      const member = (value as Record<string, unknown>)[name]
      if (member === undefined) continue
      this.text(name)
      this.value(member)
    }
  }

  /** Goes on from here by itself. */
  copy(): RunningHash {
    const copy = new RunningHash()
    copy.high = this.high
    copy.low = this.low
    return copy
  }

  get digest(): Digest {
    let high = this.high
    let low = this.low
    high = Math.imul(high ^ (high >>> 16), 0x85ebca6b)
    low = Math.imul(low ^ (low >>> 15), 0xc2b2ae35)
    return { high: (high ^ (low >>> 13)) >>> 0, low: (low ^ (high >>> 16)) >>> 0 }
  }

  /** 16 hex digits. */
  get hex(): string {
    const { high, low } = this.digest
    return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0')
  }
}
