/** What an operator does to one member changes nothing that the store holds: members agree by their own hashes. SEMANTICS 2.1. */
import type { Invariant } from '../../invariant.ts'
import { watching } from '../define.ts'

const safety = { kind: 'history', strength: 'safety' } as const

interface Said {
  readonly hash: string
  readonly member: string
  /** How often that member had been restarted or defragmented. */
  readonly life: string
}

/** Hashes by what they are of; `lives` counts what must not change them. */
const agreeing = (fields: Parameters<typeof watching>[0], within: 'members' | 'one member'): Invariant =>
  watching(fields, ['Hashed', 'ProcessStarted', 'Reply'], () => {
    const hashes = new Map<string, Said>()
    const lives = new Map<string, number>()
    const lived = (member: string): void => {
      lives.set(member, (lives.get(member) ?? 0) + 1)
    }
    return {
      observe(next) {
        if (next.kind === 'ProcessStarted') lived(next.process)
        if (next.kind === 'Reply' && next.outcome.kind === 'done' && next.outcome.response?.kind === 'Defragment')
          lived(next.outcome.response.header.member)
        if (next.kind !== 'Hashed') return 'vacuous'
        const { member, revision, compactRevision, hash } = next
        const of = `${revision}/${compactRevision}${within === 'members' ? '' : `/${member}`}`
        const life = `${member}/${lives.get(member) ?? 0}`
        const said = hashes.get(of)
        if (said === undefined) {
          hashes.set(of, { hash, member, life })
          return 'vacuous'
        }
        if (said.hash !== hash) {
          return {
            why: `at revision ${revision}, compacted at ${compactRevision}, ${member} has the hash ${hash} and ${said.member} had ${said.hash}`,
          }
        }
        const other = within === 'members' ? said.member !== member : said.life !== life
        return other ? 'notable' : 'holds'
      },
    }
  })

const membersAgree = agreeing(
  {
    id: 'ETCD-S4b',
    sentence: "members' own hashes of one revision and compaction are the same",
    source: 'etcd server/etcdserver/corrupt.go; https://etcd.io/docs/v3.6/op-guide/data_corruption/',
    sometimes: 'two members say theirs',
    ...safety,
  },
  'members',
)

const nothingChanges = agreeing(
  {
    id: 'ETCD-S27',
    sentence: 'neither a restart nor a defragmentation changes what a member holds, nor its revision',
    source: 'https://etcd.io/docs/v3.6/op-guide/maintenance/#defragmentation; etcd-io/etcd#14685',
    sometimes: 'it had been restarted or defragmented since',
    ...safety,
  },
  'one member',
)

const snapshots: Invariant = watching(
  {
    id: 'ETCD-S26',
    sentence: 'a snapshot holds exactly what the store held at its revision',
    source: 'https://etcd.io/docs/v3.6/op-guide/recovery/',
    sometimes: 'a member had said its hash at that revision',
    ...safety,
  },
  ['Hashed', 'Reply'],
  () => {
    /** '<revision>/<compaction>' → what members said. */
    const hashes = new Map<string, string>()
    const saved: { readonly call: string; readonly of: string; readonly hash: string }[] = []
    return {
      observe(next) {
        if (next.kind === 'Hashed') hashes.set(`${next.revision}/${next.compactRevision}`, next.hash)
        else if (next.kind === 'Reply' && next.outcome.kind === 'done' && next.outcome.response?.kind === 'Snapshot') {
          const { header, compactRevision, hash } = next.outcome.response
          saved.push({ call: next.call, of: `${header.revision}/${compactRevision}`, hash })
        }
        return 'vacuous'
      },
      end() {
        const known = saved.filter(({ of }) => hashes.has(of))
        const wrong = known.find(({ of, hash }) => hashes.get(of) !== hash)
        if (wrong !== undefined)
          return {
            why: `the snapshot of call ${wrong.call} at revision ${wrong.of} has the hash ${wrong.hash}, members had ${hashes.get(wrong.of)}`,
          }
        if (known.length > 0) return 'notable'
        return saved.length > 0 ? 'holds' : 'vacuous'
      },
    }
  },
)

export const MAINTENANCE: readonly Invariant[] = [nothingChanges, membersAgree, snapshots]
