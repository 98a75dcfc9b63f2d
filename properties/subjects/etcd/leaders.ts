/**
 * Asks every member again and again whom it follows, and records each leader of a term when it first shows.
 *
 * Of processes of our own the Raft state itself is asked (/debug/vars), where role and term belong together. The Status of
 * the v3 interface tells the leader of now with the term of the last entry applied: good enough to find the leader,
 * not to say who led in which term.
 */
import type { EtcdClient } from './client.ts'
import type { Journal } from './journal.ts'
import { sleep } from './sleep.ts'
import type { Target } from './target.ts'
import type { WireStatus } from './wire.ts'

const ASK_EVERY_MS = 150
const ANSWER_MS = 400

/** expvar of server/etcdserver/raft.go */
interface RaftStatus {
  readonly id: string
  readonly term: number
  readonly commit: number
  readonly raftState: string
}

export class Leaders {
  private readonly clients: ReadonlyMap<string, EtcdClient>
  private readonly target: Target
  private readonly journal: Journal
  private readonly known = new Set<string>()
  private highestTerm = 0
  private leader: string | null = null
  private others = 0

  constructor(target: Target, journal: Journal) {
    this.clients = new Map(target.members.map((name) => [name, target.connect(name, { timeoutMs: ANSWER_MS })]))
    this.target = target
    this.journal = journal
  }

  /** Of the highest term that any member told of. */
  get current(): string | null {
    return this.leader
  }

  /** Times that another one led than before. */
  get changes(): number {
    return Math.max(0, this.others - 1)
  }

  clientOf(member: string): EtcdClient {
    const client = this.clients.get(member)
    if (client === undefined) throw new Error(`there is no member ${member}`)
    return client
  }

  async run(over: AbortSignal): Promise<void> {
    const ask = async (name: string, client: EtcdClient): Promise<void> => {
      while (!over.aborted) {
        const url = this.target.debugUrlOf(name)
        await (url === null ? this.askStatus(client) : this.askRaft(name, url))
        await sleep(ASK_EVERY_MS, over)
      }
    }
    await Promise.all([...this.clients].map(([name, client]) => ask(name, client)))
  }

  close(): void {
    for (const client of this.clients.values()) client.close()
  }

  private async askStatus(client: EtcdClient): Promise<void> {
    const answer = await client.call<WireStatus>('Maintenance/Status', {}, ANSWER_MS)
    if ('message' in answer && answer.message.leader !== '0')
      this.lead(this.target.nameOf(answer.message.leader), Number(answer.message.raftTerm))
  }

  private async askRaft(member: string, url: string): Promise<void> {
    let status: RaftStatus | undefined
    try {
      const answer = await fetch(url, { signal: AbortSignal.timeout(ANSWER_MS) })
      status = ((await answer.json()) as { readonly 'raft.status'?: RaftStatus })['raft.status']
    } catch {
      // Down, paused, or busy: the next time will tell.
      return
    }
    if (status?.raftState !== 'StateLeader') return
    const { term, commit } = status
    this.lead(member, term)
    const name = `${term} ${member}`
    if (this.known.has(name)) return
    this.known.add(name)
    // What its log holds cannot be seen from outside.
    this.journal.see({ kind: 'Elected', member, term, lastIndex: commit, log: [] })
  }

  private lead(member: string, term: number): void {
    if (term < this.highestTerm) return
    this.highestTerm = term
    if (this.leader !== member) this.others++
    this.leader = member
  }
}
