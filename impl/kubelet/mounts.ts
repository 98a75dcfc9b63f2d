/** What is mounted on one machine, and for which pods. It outlives the kubelet's process, not the machine. */
export class MachineMounts {
  /** Volume → uids of pods. */
  private readonly byVolume = new Map<string, Set<string>>()

  get volumes(): readonly string[] {
    return [...this.byVolume.keys()]
  }

  get pods(): readonly string[] {
    return [...new Set([...this.byVolume.values()].flatMap((pods) => [...pods]))]
  }

  of(pod: string): readonly string[] {
    return this.volumes.filter((volume) => this.has(volume, pod))
  }

  has(volume: string, pod: string): boolean {
    return this.byVolume.get(volume)?.has(pod) === true
  }

  /** Another pod has it. */
  isElsewhere(volume: string, pod: string): boolean {
    return [...(this.byVolume.get(volume) ?? [])].some((other) => other !== pod)
  }

  add(volume: string, pod: string): void {
    this.byVolume.set(volume, (this.byVolume.get(volume) ?? new Set()).add(pod))
  }

  remove(volume: string, pod: string): void {
    const pods = this.byVolume.get(volume)
    pods?.delete(pod)
    if (pods?.size === 0) this.byVolume.delete(volume)
  }

  wipe(): void {
    this.byVolume.clear()
  }
}
