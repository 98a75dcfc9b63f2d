/**
 * Tokens that stand for a user until he has not used them for some minutes. A member forgets them when it ends.
 *
 * Source: server/auth/simple_token.go.
 */
import type { AuthLogRequest } from './log-request.ts'

const LIFE_MS = 300_000

export class Tokens {
  private readonly held = new Map<string, { readonly user: string; endsMs: number }>()

  assign(token: string, user: string, nowMs: number): void {
    this.held.set(token, { user, endsMs: nowMs + LIFE_MS })
  }

  /** Whom it stands for. Undefined: nobody knows it, or its time is over. */
  user(token: string, nowMs: number): string | undefined {
    const held = this.held.get(token)
    if (held === undefined) return undefined
    if (held.endsMs <= nowMs) {
      this.held.delete(token)
      return undefined
    }
    held.endsMs = nowMs + LIFE_MS
    return held.user
  }

  /** What changed about users makes tokens worthless: those of one user, or all. */
  changed(request: AuthLogRequest): void {
    if (request.kind === 'AuthDisable') this.held.clear()
    if (request.kind !== 'AuthUserDelete' && request.kind !== 'AuthUserChangePassword') return
    for (const [token, { user }] of this.held) if (user === request.name) this.held.delete(token)
  }
}
