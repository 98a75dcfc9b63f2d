/** All that was applied up to an entry, and who the members are then. Immutable: it is kept and sent by reference. */
import type { Configuration } from '../../model/state/keyspace.ts'
import type { StateImage } from './applier.ts'

export interface Snapshot {
  readonly index: number
  readonly term: number
  readonly configuration: Configuration
  readonly state: StateImage
}
