/**
 * The part of EDN that histories are written in: maps, vectors, lists, texts, numbers, keywords, nil, booleans. Tags are
 * skipped. Source: https://github.com/edn-format/edn
 */
export type Edn = null | boolean | number | string | Keyword | readonly Edn[] | EdnMap
export interface Keyword {
  readonly keyword: string
}
export type EdnMap = ReadonlyMap<string, Edn>

export class EdnError extends Error {}

export const isKeyword = (value: unknown): value is Keyword => typeof value === 'object' && value !== null && 'keyword' in value

const ATOM = /[^\s,()[\]{}"]+/y
const SPACE = /[\s,]*/y
const TEXT = /"(?:[^"\\]|\\.)*"/y

/** All values of a line, one after another. */
export const readEdn = (text: string): readonly Edn[] => {
  const reader = new Reader(text)
  const values: Edn[] = []
  while (!reader.atEnd()) values.push(reader.value())
  return values
}

class Reader {
  private readonly text: string
  private at = 0

  constructor(text: string) {
    this.text = text
  }

  atEnd(): boolean {
    this.skip(SPACE)
    return this.at >= this.text.length || this.text[this.at] === ';'
  }

  private skip(pattern: RegExp): string {
    pattern.lastIndex = this.at
    const found = pattern.exec(this.text)?.[0] ?? ''
    this.at += found.length
    return found
  }

  value(): Edn {
    this.skip(SPACE)
    const first = this.text[this.at]
    switch (first) {
      case undefined:
        throw new EdnError('expected a value, found the end of the line')
      case '{':
        return this.map()
      case '[':
        return this.list(']')
      case '(':
        return this.list(')')
      case '"':
        return this.quoted()
      case '#':
        return this.tagged()
      default:
        return this.atom()
    }
  }

  /** A set is a list here; of what is tagged the tag is skipped. */
  private tagged(): Edn {
    if (this.skip(ATOM) === '#' && this.text[this.at] === '{') return this.list('}')
    return this.value()
  }

  private quoted(): string {
    const found = this.skip(TEXT)
    if (found === '') throw new EdnError('expected the end of a text')
    try {
      return JSON.parse(found) as string
    } catch {
      throw new EdnError(`expected a text, found ${found}`)
    }
  }

  private list(end: string): readonly Edn[] {
    this.at++
    const values: Edn[] = []
    for (;;) {
      this.skip(SPACE)
      if (this.text[this.at] === end) break
      values.push(this.value())
    }
    this.at++
    return values
  }

  private map(): EdnMap {
    const values = this.list('}')
    if (values.length % 2 !== 0) throw new EdnError('expected a value for each key of a map')
    const map = new Map<string, Edn>()
    for (let place = 0; place < values.length; place += 2) {
      const key = values[place]
      map.set(isKeyword(key) ? key.keyword : JSON.stringify(key), values[place + 1] as Edn)
    }
    return map
  }

  private atom(): Edn {
    const found = this.skip(ATOM)
    if (found === '') throw new EdnError(`expected a value, found ${this.text[this.at]}`)
    if (found.startsWith(':')) return { keyword: found.slice(1) }
    if (found === 'nil') return null
    if (found === 'true' || found === 'false') return found === 'true'
    if (/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?[NM]?$/.test(found)) return Number(found.replace(/[NM]$/, ''))
    throw new EdnError(`expected a value, found ${found}`)
  }
}
