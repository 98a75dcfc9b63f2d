/** Versions of etcd, as it says them. */

export type Version = readonly [number, number, number]

export const isBefore = (version: Version, [major, minor, patch]: Version): boolean =>
  version[0] !== major ? version[0] < major : version[1] !== minor ? version[1] < minor : version[2] < patch

/** '3.4.23', '3.6.0-rc.1'; null for what is no version. */
export const parseVersion = (text: string): Version | null => {
  const match = /(\d+)\.(\d+)\.(\d+)/.exec(text)
  return match === null ? null : [Number(match[1]), Number(match[2]), Number(match[3])]
}
