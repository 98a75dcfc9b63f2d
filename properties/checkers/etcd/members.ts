/** Members against each other: equal hashes at equal revisions, equal states at equal log positions. */
import type { ProcessName, Seen } from '../../../model/state/history.ts'
import type { Findings } from './findings.ts'

export class Members {
  private readonly said = new Map<string, { readonly member: ProcessName; readonly digest: string }>()
  private readonly findings: Findings

  constructor(findings: Findings) {
    this.findings = findings
  }

  hashed({ member, revision, compactRevision, hash, atMs }: Seen<'Hashed'>): void {
    this.compare(`revision ${revision}, compacted at ${compactRevision}`, member, hash, atMs)
  }

  applied({ member, index, digest, atMs }: Seen<'Applied'>): void {
    this.compare(`entry ${index}`, member, digest, atMs)
  }

  private compare(at: string, member: ProcessName, digest: string, atMs: number): void {
    const known = this.said.get(at)
    if (known === undefined) {
      this.said.set(at, { member, digest })
      return
    }
    if (known.digest === digest) this.findings.holds('ETCD-S4', known.member !== member)
    else {
      const text = `at ${at} the hash of ${member} is ${digest}, that of ${known.member} is ${known.digest}`
      this.findings.violated('ETCD-S4', { text, atMs, calls: [member, known.member] })
    }
  }
}
