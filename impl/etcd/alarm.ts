/** Alarms: raised through the log, so that all members refuse the same. Source: server/etcdserver/api/v3alarm/alarms.go. */
import type { AlarmMember, AlarmRequest, AlarmType } from '../../model/state/maintenance.ts'

export class Alarms {
  private raised: readonly AlarmMember[] = []

  has(alarm: AlarmType): boolean {
    return this.raised.some((one) => one.alarm === alarm)
  }

  get all(): readonly AlarmMember[] {
    return this.raised
  }

  restore(raised: readonly AlarmMember[]): void {
    this.raised = raised
  }

  /** The alarms the request is about, after it. */
  apply({ action, memberId, alarm }: AlarmRequest): readonly AlarmMember[] {
    const meant = this.raised.filter((one) => (memberId ?? one.memberId) === one.memberId && (alarm === 'NONE' || one.alarm === alarm))
    switch (action) {
      case 'GET':
        return meant
      case 'ACTIVATE': {
        if (alarm === 'NONE' || memberId === undefined) return []
        if (meant.length === 0) this.raised = [...this.raised, { memberId, alarm }]
        return [{ memberId, alarm }]
      }
      case 'DEACTIVATE':
        this.raised = this.raised.filter((one) => !meant.includes(one))
        return meant
    }
  }
}
